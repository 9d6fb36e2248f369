/**
 * A thread that quantizes: it takes stored tensors, one after another, opens the file that each lies in, and writes its span where it is
 * told, hashed on the way; or gives it in pieces, at most so many ahead of what was taken. It knows no config and reads no header, so that many threads cost little memory.
 */
import { parentPort } from "node:worker_threads";
import {
  FormatError,
  type FormatErrorCode,
  type PlannedTensor,
  type SpanPlace,
  spanLayout,
  startSpanSeal,
  takeTurn,
} from "@s7l/format";
import { type FileSource, openFileSource, writeAtOnce } from "@s7l/format/file";
import type { CheckpointFile } from "./checkpoint/checkpoint.ts";
import { readAtOnce } from "./checkpoint/read-at-once.ts";
import type { StoredTensor } from "./checkpoint/safetensors.ts";
import type { View } from "./checkpoint/view.ts";
import { QuantizeError, type QuantizeErrorCode } from "./errors.ts";
import { quantizedSpan, type SpanEnd } from "./quantized-span.ts";

/** A tensor to quantize: what it becomes, where it lies in what is stored, and in which file that is. */
export interface QuantizeTask {
  readonly kind: "tensor";
  /** By which it can be stopped. */
  readonly id: number;
  readonly tensor: PlannedTensor;
  readonly view: View;
  readonly stored: Omit<StoredTensor, "source">;
  readonly place: CheckpointFile;
  /** Where its span is to be written; absent: it is to be given in pieces. */
  readonly into?: SpanPlace;
}

/** What it is told: quantize this tensor next; a piece was taken, and here is its memory; nobody wants the rest of this tensor. */
export type QuantizeRequest =
  | QuantizeTask
  | { readonly kind: "taken"; readonly memory: ArrayBuffer }
  | { readonly kind: "stop"; readonly id: number };

/** What it says of each tensor: pieces, then how it ended; and on the way, once, that it is nearly done. */
export type QuantizeReply =
  | { readonly kind: "nearly" }
  | { readonly kind: "piece"; readonly bytes: Uint8Array<ArrayBuffer> }
  | ({ readonly kind: "done"; readonly hashes?: Uint8Array } & SpanEnd)
  | { readonly kind: "quantize"; readonly code: QuantizeErrorCode; readonly message: string; readonly at?: string }
  | { readonly kind: "format"; readonly code: FormatErrorCode; readonly message: string; readonly at?: string }
  | { readonly kind: "failed"; readonly message: string };

/** Pieces given and not yet taken: a block of rows each, half a MiB at most, or two MiB where it was gathered. */
const AHEAD = 8;
/** Bytes of a span's end that take longer to make than the next tensor takes to be told. */
const NEARLY = 1 << 20;

if (parentPort) {
  const port = parentPort;
  const opened = new Map<string, FileSource>();
  /** Memory of pieces that came back. */
  const spare: ArrayBuffer[] = [];
  /** Tensors that nobody wants any more. */
  const stopped = new Set<number>();
  let room = AHEAD;
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

  const say = (reply: QuantizeReply, transfer: ArrayBuffer[] = []): void => port.postMessage(reply, transfer);

  const give = async ({ id, tensor, view, stored, place, into }: QuantizeTask): Promise<QuantizeReply> => {
    let left = spanLayout(tensor).size;
    let isNear = false;
    const sayNear = (): void => {
      if (isNear || left > NEARLY) return;
      isNear = true;
      say({ kind: "nearly" });
    };
    try {
      sayNear();
      const source = readAtOnce(await open(place), place.path);
      let end: SpanEnd | undefined;
      const pieces = (async function* () {
        end = yield* quantizedSpan(tensor, view, { ...stored, source });
      })();
      const seal = into && startSpanSeal(tensor, into.chunkSize);
      let at = into?.offset ?? 0;
      for await (const piece of pieces) {
        if (into && seal) {
          seal.check(piece);
          seal.hash(piece);
          await writeAtOnce(into, at, piece);
          at += piece.length;
          left -= piece.length;
          sayNear();
          // Nothing here waits, so only now can it hear that it is to stop.
          await takeTurn();
          if (stopped.has(id)) return { kind: "failed", message: "it was stopped" };
          continue;
        }
        while (room === 0 && !stopped.has(id)) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (stopped.has(id)) return { kind: "failed", message: "it was stopped" };
        room--;
        const bytes = copyOf(piece);
        say({ kind: "piece", bytes }, [bytes.buffer]);
        left -= piece.length;
        sayNear();
      }
      if (!end) throw new QuantizeError("tensor", `the span of ${tensor.name} has no end`, tensor.name);
      return { kind: "done", ...end, ...(seal ? { hashes: seal.finish() } : {}) };
    } catch (cause) {
      if (cause instanceof QuantizeError) return { kind: "quantize", ...failureOf(cause), code: cause.code };
      if (cause instanceof FormatError) return { kind: "format", ...failureOf(cause), code: cause.code };
      return { kind: "failed", message: cause instanceof Error ? cause.message : String(cause) };
    }
  };

  let turn = Promise.resolve();
  port.on("message", (request: QuantizeRequest) => {
    if (request.kind === "tensor") {
      turn = turn.then(async () => {
        say(await give(request));
        stopped.delete(request.id);
      });
      return;
    }
    if (request.kind === "stop") stopped.add(request.id);
    else {
      room++;
      if (spare.length < AHEAD) spare.push(request.memory);
    }
    wake();
  });
}

function failureOf({ message, at }: QuantizeError | FormatError): { readonly message: string; readonly at?: string } {
  return { message, ...(at === undefined ? {} : { at }) };
}
