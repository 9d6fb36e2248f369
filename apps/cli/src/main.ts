/** `s7l`: finds the verb, holds its arguments to what it declares, runs it, and turns any failure into one sentence. */
import { parseArguments } from "./arguments.ts";
import { CliError, refuseUsage } from "./errors.ts";
import { type ExitCode, failureOf, sentenceOf } from "./exit.ts";
import { mainHelp, verbHelp } from "./help.ts";
import { listenForInterrupts } from "./interrupt.ts";
import { createProgress, type Progress } from "./progress.ts";
import { createReport, type Reader, ReaderGone, type Report } from "./report.ts";
import { nearestWord } from "./suggestion.ts";
import { VERBS, type VerbEntry } from "./verbs.ts";
import { version } from "./version.ts";

process.exitCode = await main(process.argv.slice(2));

async function main(words: readonly string[]): Promise<ExitCode> {
  const [first, second] = words;
  // `s7l help run` is `s7l run --help`.
  const [name, ...rest] = first === "help" && second !== undefined ? [second, "--help"] : words;
  const reader = watchReader();
  // What stderr cannot take, nobody is told of, and no work is lost to that.
  process.stderr.on("error", () => {});
  const { report, progress } = streams(rest, reader);
  const interrupts = listenForInterrupts();
  try {
    if (name === undefined || name === "--help" || name === "-h" || name === "help") {
      process.stdout.write(`${mainHelp(report.ink, version())}\n`);
      return name === undefined ? 2 : 0;
    }
    if (name === "--version" || name === "-v") {
      process.stdout.write(`${version()}\n`);
      return 0;
    }
    const verb = await find(name).load();
    const { help, values } = parseArguments(rest, verb);
    if (help) {
      process.stdout.write(`${verbHelp(report.ink, name, verb)}\n`);
      return 0;
    }
    return await verb.run({ args: values, report, progress, signal: interrupts.signal });
  } catch (thrown) {
    progress.clear();
    // Whatever an interrupted step throws on its way out, the interruption is the reason.
    const failure = failureOf(interrupts.signal.aborted ? interrupts.signal.reason : thrown);
    report.fail(failure);
    // `s7l run … | head`: who closes the pipe has seen enough, and knows it.
    if (!(thrown instanceof ReaderGone)) report.complain(sentenceOf(failure, name ?? ""));
    return failure.exit;
  } finally {
    progress.clear();
    interrupts.stop();
  }
}

function find(name: string): VerbEntry {
  const entry = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (entry) return entry;
  const near = nearestWord(name, Object.keys(VERBS));
  return refuseUsage(
    `there is no such verb; ${near === undefined ? "s7l --help lists the verbs" : `did you mean s7l ${near}?`}`,
  );
}

/** Needed before arguments are parsed, as parsing them may fail and say so. */
function streams(words: readonly string[], reader: Reader): { readonly report: Report; readonly progress: Progress } {
  const end = words.indexOf("--");
  const given = new Set(end < 0 ? words : words.slice(0, end));
  const quiet = given.has("--quiet") || given.has("-q");
  const animated = process.stderr.isTTY === true && !process.env.CI && process.env.TERM !== "dumb";
  const progress = createProgress(process.stderr, { silent: quiet, animated });
  return { progress, report: createReport(process, { json: given.has("--json"), quiet, reader }, progress.clear) };
}

/**
 * A reader that goes away changes no verdict: `s7l verify … | grep -q holds` still says by its exit code what verify found. A full
 * disk under a redirection is an error like any other.
 */
function watchReader(): Reader {
  const reader = { gone: false };
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") {
      reader.gone = true;
      return;
    }
    const failure = failureOf(new CliError("io", `stdout cannot be written: ${error.message}`));
    process.stderr.write(`s7l ${sentenceOf(failure, "")}\n`);
    process.exit(failure.exit);
  });
  return reader;
}
