/**
 * A thread that quantizes: it opens the checkpoint for itself, takes one tensor after another, and gives its span in pieces, at
 * most so many ahead of what was taken.
 */
import { parentPort, workerData } from "node:worker_threads";
import { equalBytes, FormatError, type FormatErrorCode, type PlannedTensor } from "@s7l/format";
import { type CheckpointPath, openCheckpoint } from "./checkpoint/checkpoint.ts";
import { QuantizeError, type QuantizeErrorCode } from "./errors.ts";
import { type QuantizeOptions, quantize } from "./quantize.ts";
import type { TensorReport } from "./report.ts";

/** What the thread is started with. */
export interface QuantizeTask {
  readonly path: CheckpointPath;
  /** Of the checkpoint that the caller opened. */
  readonly identity: Uint8Array;
  readonly options: QuantizeOptions;
}

/** What it is told: quantize this tensor; one piece was taken; nobody wants the rest. */
export type QuantizeRequest =
  | { readonly kind: "tensor"; readonly tensor: PlannedTensor }
  | { readonly kind: "taken" }
  | { readonly kind: "stop" };

/** What it says: pieces, then how the tensor ended. */
export type QuantizeReply =
  | { readonly kind: "piece"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "done"; readonly digest: Uint8Array; readonly report: TensorReport | undefined }
  | { readonly kind: "quantize"; readonly code: QuantizeErrorCode; readonly message: string; readonly at?: string }
  | { readonly kind: "format"; readonly code: FormatErrorCode; readonly message: string; readonly at?: string }
  | { readonly kind: "failed"; readonly message: string };

/** Pieces given and not yet taken: a block of rows each, 2 MiB. */
const AHEAD = 4;

if (parentPort) {
  const port = parentPort;
  const { path, identity, options }: QuantizeTask = workerData;
  const opened = openCheckpoint(path).then((checkpoint) => {
    if (!equalBytes(checkpoint.identity, identity))
      throw new QuantizeError("checkpoint", "the files of the checkpoint were exchanged after it was opened");
    return quantize(checkpoint, options);
  });
  // A failure is said when the first tensor is asked for.
  opened.catch(() => undefined);
  let room = AHEAD;
  let stopped = false;
  let wake = (): void => {};

  const give = async (tensor: PlannedTensor): Promise<QuantizeReply> => {
    room = AHEAD;
    stopped = false;
    try {
      const weights = await opened;
      for await (const piece of weights.span(tensor)) {
        while (room === 0 && !stopped) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (stopped) return { kind: "failed", message: "it was stopped" };
        room--;
        // A piece may be a view of a buffer that the next one needs, so what is given away is a copy of its own.
        const bytes = piece.slice();
        port.postMessage({ kind: "piece", bytes } satisfies QuantizeReply, [bytes.buffer]);
      }
      return { kind: "done", digest: weights.sourceDigest(tensor), report: weights.tensorReport(tensor) };
    } catch (cause) {
      if (cause instanceof QuantizeError) return { kind: "quantize", ...failureOf(cause), code: cause.code };
      if (cause instanceof FormatError) return { kind: "format", ...failureOf(cause), code: cause.code };
      return { kind: "failed", message: cause instanceof Error ? cause.message : String(cause) };
    }
  };
  port.on("message", async (request: QuantizeRequest) => {
    if (request.kind === "tensor") port.postMessage(await give(request.tensor));
    else {
      if (request.kind === "stop") stopped = true;
      else room++;
      wake();
    }
  });
}

function failureOf({ message, at }: QuantizeError | FormatError): { readonly message: string; readonly at?: string } {
  return { message, ...(at === undefined ? {} : { at }) };
}
