/**
 * A thread that quantizes: it takes one stored tensor after another, opens the file that it lies in, and gives its span in pieces, at
 * most so many ahead of what was taken. It knows no config and reads no header, so that many threads cost little memory.
 */
import { parentPort } from "node:worker_threads";
import { FormatError, type FormatErrorCode, type PlannedTensor } from "@s7l/format";
import { type FileSource, openFileSource } from "@s7l/format/file";
import type { CheckpointFile } from "./checkpoint/checkpoint.ts";
import type { StoredTensor } from "./checkpoint/safetensors.ts";
import type { View } from "./checkpoint/view.ts";
import { QuantizeError, type QuantizeErrorCode } from "./errors.ts";
import { quantizedSpan, type SpanEnd } from "./quantized-span.ts";

/** A tensor to quantize: what it becomes, where it lies in what is stored, and in which file that is. */
export interface QuantizeTask {
  readonly kind: "tensor";
  readonly tensor: PlannedTensor;
  readonly view: View;
  readonly stored: Omit<StoredTensor, "source">;
  readonly place: CheckpointFile;
}

/** What it is told: quantize this tensor; one piece was taken, and here is its memory; nobody wants the rest. */
export type QuantizeRequest =
  | QuantizeTask
  | { readonly kind: "taken"; readonly memory: ArrayBuffer }
  | { readonly kind: "stop" };

/** What it says: pieces, then how the tensor ended. */
export type QuantizeReply =
  | { readonly kind: "piece"; readonly bytes: Uint8Array<ArrayBuffer> }
  | ({ readonly kind: "done" } & SpanEnd)
  | { readonly kind: "quantize"; readonly code: QuantizeErrorCode; readonly message: string; readonly at?: string }
  | { readonly kind: "format"; readonly code: FormatErrorCode; readonly message: string; readonly at?: string }
  | { readonly kind: "failed"; readonly message: string };

/** Pieces given and not yet taken: a block of rows each, half a MiB at most, or two where it was gathered. */
const AHEAD = 4;

if (parentPort) {
  const port = parentPort;
  const opened = new Map<string, FileSource>();
  /** Memory of pieces that came back. */
  const spare: ArrayBuffer[] = [];
  let room = AHEAD;
  let stopped = false;
  let wake = (): void => {};

  const open = async ({ path, identity }: CheckpointFile): Promise<FileSource> => {
    const source = opened.get(path) ?? (await openFileSource(path));
    opened.set(path, source);
    if (source.identity !== identity)
      throw new QuantizeError("checkpoint", "the files of the checkpoint were exchanged after it was opened", path);
    return source;
  };

  /** A piece may be a view of memory that the next one needs, so what is given away is a copy, in memory that goes to and fro. */
  const copyOf = (piece: Uint8Array): Uint8Array<ArrayBuffer> => {
    const memory = spare.pop();
    const bytes = memory && memory.byteLength >= piece.length ? memory : new ArrayBuffer(piece.length);
    const copy = new Uint8Array(bytes, 0, piece.length);
    copy.set(piece);
    return copy;
  };

  const give = async ({ tensor, view, stored, place }: QuantizeTask): Promise<QuantizeReply> => {
    room = AHEAD;
    stopped = false;
    try {
      const source = await open(place);
      let end: SpanEnd | undefined;
      const pieces = (async function* () {
        end = yield* quantizedSpan(tensor, view, { ...stored, source });
      })();
      for await (const piece of pieces) {
        while (room === 0 && !stopped) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (stopped) return { kind: "failed", message: "it was stopped" };
        room--;
        const bytes = copyOf(piece);
        port.postMessage({ kind: "piece", bytes } satisfies QuantizeReply, [bytes.buffer]);
      }
      if (!end) throw new QuantizeError("tensor", `the span of ${tensor.name} has no end`, tensor.name);
      return { kind: "done", ...end };
    } catch (cause) {
      if (cause instanceof QuantizeError) return { kind: "quantize", ...failureOf(cause), code: cause.code };
      if (cause instanceof FormatError) return { kind: "format", ...failureOf(cause), code: cause.code };
      return { kind: "failed", message: cause instanceof Error ? cause.message : String(cause) };
    }
  };
  port.on("message", async (request: QuantizeRequest) => {
    if (request.kind === "tensor") port.postMessage(await give(request));
    else {
      if (request.kind === "stop") stopped = true;
      else {
        room++;
        if (spare.length < AHEAD) spare.push(request.memory);
      }
      wake();
    }
  });
}

function failureOf({ message, at }: QuantizeError | FormatError): { readonly message: string; readonly at?: string } {
  return { message, ...(at === undefined ? {} : { at }) };
}
