/**
 * What a command prints on stdout. For people: lines as things happen. With `--json`: one object at the end and nothing else. With
 * `--quiet`: the result alone.
 */
import { CliError } from "./errors.ts";
import type { Failure } from "./exit.ts";
import { type Ink, inkFor, type Output } from "./ink.ts";
import { printable } from "./printable.ts";

export interface Report {
  readonly ink: Ink;
  /** Commentary: neither with `--json` nor with `--quiet`. */
  readonly say: (line?: string) => void;
  /** Commentary as it comes, without a line end. */
  readonly tell: (text: string) => void;
  /**
   * What the command is for, as it comes and without a line end (generated text): not with `--json`. Throws ReaderGone where nobody
   * reads it any more, as then the work is for nothing.
   */
  readonly put: (text: string) => void;
  /** Commentary on stderr, for commands whose stdout is for others to read. */
  readonly note: (line: string) => void;
  /** The end of the work. `brief` stands alone with `--quiet`, `lines` stand for people. */
  readonly finish: (result: Result) => void;
  /** The end of work that failed: with `--json` the one object. The sentence for people is `complain`'s. */
  readonly fail: (failure: Failure) => void;
  /** One sentence on stderr about what is wrong, in every mode. */
  readonly complain: (sentence: string) => void;
}

export interface Result {
  readonly json: object;
  readonly lines?: readonly string[];
  readonly brief?: string;
}

/** Whoever reads stdout. */
export interface Reader {
  readonly gone: boolean;
}

/** The reader of stdout went away, as `head` does when it has seen enough. */
export class ReaderGone extends CliError {
  constructor() {
    super("io", "nobody reads stdout any more");
  }
}

/** A report on these streams; `beforeWrite` makes room, where progress stands on the same terminal. */
export function createReport(
  { stdout, stderr }: { readonly stdout: Output; readonly stderr: Output },
  { json, quiet, reader }: { readonly json: boolean; readonly quiet: boolean; readonly reader: Reader },
  beforeWrite: () => void,
): Report {
  const write = (text: string, stream = stdout): void => {
    if (stream === stdout && reader.gone) return;
    beforeWrite();
    // A pipe gets the bytes as they are; a terminal would obey them.
    stream.write(stream.isTTY ? printable(text) : text);
  };
  return {
    ink: inkFor(stdout),
    say: (line = "") => {
      if (!json && !quiet) write(`${line}\n`);
    },
    tell: (text) => {
      if (!json && !quiet) write(text);
    },
    put: (text) => {
      if (reader.gone) throw new ReaderGone();
      if (!json) write(text);
    },
    note: (line) => {
      if (!json && !quiet) write(`${inkFor(stderr).dim(line)}\n`, stderr);
    },
    finish: (result) => {
      if (json) write(`${JSON.stringify(result.json)}\n`);
      else if (!quiet) for (const line of result.lines ?? []) write(`${line}\n`);
      else if (result.brief !== undefined) write(`${result.brief}\n`);
    },
    fail: ({ exit: _, ...error }) => {
      if (json) write(`${JSON.stringify({ error })}\n`);
    },
    complain: (sentence) => write(`${inkFor(stderr).red("s7l")} ${sentence}\n`, stderr),
  };
}
