import { open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type PlannedTensor, spanLayout, startSpanSeal, tensorPlan, type WeightSource } from "@s7l/format";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { removeCheckpoint, SHARDS, tinyCheckpoint } from "../test/tiny-checkpoint.ts";
import { type Checkpoint, openCheckpoint } from "./checkpoint/checkpoint.ts";
import { quantize } from "./quantize.ts";
import { quantizeOnThreads } from "./quantize-threads.ts";

async function spanOf(weights: WeightSource, tensor: PlannedTensor): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of weights.span(tensor)) pieces.push(piece.slice());
  return Buffer.concat(pieces);
}

describe("quantizeOnThreads", () => {
  let folder = "";
  let checkpoint: Checkpoint;

  beforeAll(async () => {
    // An embedding of several blocks of rows, so that a span has more pieces than a thread may be ahead.
    folder = await tinyCheckpoint(7, { vocab_size: 900_000 });
    checkpoint = await openCheckpoint(folder);
  });
  afterAll(async () => {
    await checkpoint.close();
    await removeCheckpoint(folder);
  });

  test.each([1, 3])("gives what quantize gives, all spans at once from %i threads", async (threads) => {
    const expected = quantize(checkpoint);
    const threaded = quantizeOnThreads(checkpoint, threads);
    try {
      const plan = tensorPlan(expected.fold);
      const spans = await Promise.all(plan.map((tensor) => spanOf(threaded, tensor)));
      for (const [i, tensor] of plan.entries()) {
        expect(Buffer.compare(spans[i] ?? Buffer.alloc(0), await spanOf(expected, tensor)), tensor.name).toBe(0);
        expect(threaded.sourceDigest(tensor)).toEqual(expected.sourceDigest(tensor));
      }
      expect(threaded.report()).toEqual(expected.report());
    } finally {
      await threaded.close();
    }
  });

  test("frees the thread of a span that is left in the middle", async () => {
    const threaded = quantizeOnThreads(checkpoint, 1);
    try {
      const embedding = tensorPlan(threaded.fold).find(({ name }) => name === threaded.fold.embedding);
      if (!embedding) throw new Error("no embedding");
      for await (const _ of threaded.span(embedding)) break;
      expect(Buffer.compare(await spanOf(threaded, embedding), await spanOf(quantize(checkpoint), embedding))).toBe(0);
    } finally {
      await threaded.close();
    }
  });

  test("frees a thread for those who wait, also when spans before theirs are left", async () => {
    const threaded = quantizeOnThreads(checkpoint, 2);
    const expected = quantize(checkpoint);
    try {
      const plan = tensorPlan(threaded.fold);
      await Promise.all(
        plan.map(async (tensor, i) => {
          if (i % 2 === 0) for await (const _ of threaded.span(tensor)) break;
          else expect(Buffer.compare(await spanOf(threaded, tensor), await spanOf(expected, tensor))).toBe(0);
        }),
      );
    } finally {
      await threaded.close();
    }
  });

  test("fails every span that is read or waits when its threads are closed", async () => {
    const threaded = quantizeOnThreads(checkpoint, 2);
    const stored = tensorPlan(threaded.fold).filter((tensor) => threaded.origin(tensor).method !== "derive");
    const spans = Promise.allSettled(stored.map((tensor) => spanOf(threaded, tensor)));
    await threaded.close();
    expect(await spans).toEqual(
      stored.map(() => ({
        status: "rejected",
        reason: expect.objectContaining({ code: "checkpoint", message: "a thread failed: it ended" }),
      })),
    );
  });

  test("writes spans where they shall lie, with the hashes that their bytes have", async () => {
    const expected = quantize(checkpoint);
    const threaded = quantizeOnThreads(checkpoint, 2);
    const path = join(folder, "spans");
    const handle = await open(path, "w+");
    try {
      let offset = 7;
      const written = await Promise.all(
        tensorPlan(threaded.fold).map(async (tensor) => {
          const at = offset;
          offset += spanLayout(tensor).size;
          // By turns to leaves, and to one hash.
          const chunk = at % 3 === 0 ? {} : { chunkSize: 1 << 16 };
          const hashes = await threaded.writeSpan?.(tensor, { path, descriptor: handle.fd, offset: at, ...chunk });
          return { tensor, at, chunk, hashes };
        }),
      );
      for (const { tensor, at, chunk, hashes } of written) {
        const span = await spanOf(expected, tensor);
        if (expected.origin(tensor).method === "derive") {
          expect(hashes, tensor.name).toBeUndefined();
          continue;
        }
        const seal = startSpanSeal(tensor, chunk.chunkSize);
        seal.check(span);
        seal.hash(span);
        expect(hashes, tensor.name).toEqual(seal.finish());
        const { buffer } = await handle.read(Buffer.alloc(span.length), 0, span.length, at);
        expect(Buffer.compare(buffer, span), tensor.name).toBe(0);
        expect(threaded.sourceDigest(tensor)).toEqual(expected.sourceDigest(tensor));
        expect(threaded.tensorReport(tensor)).toEqual(expected.tensorReport(tensor));
      }
    } finally {
      await threaded.close();
      await handle.close();
    }
  });

  /** Threads, and a file for what they write. */
  async function openSpans(threads: number) {
    const threaded = quantizeOnThreads(checkpoint, threads);
    const path = join(folder, "spans");
    const handle = await open(path, "w+");
    const embedding = tensorPlan(threaded.fold).find(({ name }) => name === threaded.fold.embedding);
    if (!embedding) throw new Error("no embedding");
    return { threaded, handle, embedding, place: { path, descriptor: handle.fd, offset: 0, chunkSize: 1 << 20 } };
  }

  test("stops writing on a signal, and writes again without it", async () => {
    const { threaded, handle, embedding, place } = await openSpans(1);
    try {
      const stop = new AbortController();
      const writing = [
        threaded.writeSpan?.(embedding, place, stop.signal),
        threaded.writeSpan?.(embedding, place, stop.signal),
      ];
      setTimeout(() => stop.abort(new Error("enough")), 20);
      expect(await Promise.allSettled(writing)).toEqual(
        writing.map(() => ({ status: "rejected", reason: expect.objectContaining({ message: "enough" }) })),
      );
      expect((await handle.stat()).size).toBeLessThan(spanLayout(embedding).size);
      expect((await threaded.writeSpan?.(embedding, place))?.length).toBe(
        32 * Math.ceil(spanLayout(embedding).size / 2 ** 20),
      );
    } finally {
      await threaded.close();
      await handle.close();
    }
  });

  test("stops what was begun with a signal, and nothing else", async () => {
    const { threaded, handle, embedding, place } = await openSpans(2);
    try {
      const stop = new AbortController();
      const writing = [stop, new AbortController()].map(({ signal }) => threaded.writeSpan?.(embedding, place, signal));
      setTimeout(() => stop.abort(new Error("enough")), 20);
      expect(await Promise.allSettled(writing)).toEqual([
        { status: "rejected", reason: expect.objectContaining({ message: "enough" }) },
        { status: "fulfilled", value: expect.any(Uint8Array) },
      ]);
    } finally {
      await threaded.close();
      await handle.close();
    }
  });

  test("says which file its threads cannot write to", async () => {
    const threaded = quantizeOnThreads(checkpoint, 1);
    const path = join(folder, "config.json");
    const handle = await open(path, "r");
    const stored = tensorPlan(threaded.fold).find((tensor) => threaded.origin(tensor).method !== "derive");
    try {
      const place = { path, descriptor: handle.fd, offset: 0 };
      await expect(stored && threaded.writeSpan?.(stored, place)).rejects.toMatchObject({
        name: "FormatError",
        code: "io",
        message: expect.stringMatching(/config\.json cannot be written/),
      });
    } finally {
      await threaded.close();
      await handle.close();
    }
  });

  test("gives a NaN as the error that quantize throws, and goes on", async () => {
    const broken = await tinyCheckpoint(8);
    const shard = join(broken, SHARDS[1] ?? "");
    const handle = await open(shard, "r+");
    await handle.write(Uint8Array.of(0xc0, 0x7f), 0, 2, (await stat(shard)).size - 2);
    await handle.close();
    const opened = await openCheckpoint(broken);
    const threaded = quantizeOnThreads(opened, 2);
    try {
      const results = await Promise.allSettled(tensorPlan(threaded.fold).map((tensor) => spanOf(threaded, tensor)));
      const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
      expect(failures).toMatchObject([
        { name: "QuantizeError", code: "value", message: expect.stringMatching(/is NaN/) },
      ]);
    } finally {
      await threaded.close();
      await opened.close();
      await removeCheckpoint(broken);
    }
  });

  test("refuses files that were exchanged after the caller opened them", async () => {
    const own = await tinyCheckpoint(7);
    const other = await tinyCheckpoint(8);
    const opened = await openCheckpoint(own);
    for (const shard of SHARDS) await rename(join(other, shard), join(own, shard));
    const threaded = quantizeOnThreads(opened, 1);
    try {
      const [first] = tensorPlan(threaded.fold);
      await expect(first && spanOf(threaded, first)).rejects.toMatchObject({
        code: "checkpoint",
        message: expect.stringMatching(/exchanged/),
      });
    } finally {
      await threaded.close();
      await opened.close();
      await removeCheckpoint(own);
      await removeCheckpoint(other);
    }
  });

  test("fails where the threads cannot open what the caller could", async () => {
    const gone = await tinyCheckpoint(9);
    const opened = await openCheckpoint(gone);
    for (const shard of SHARDS) await rm(join(gone, shard));
    const threaded = quantizeOnThreads(opened, 1);
    try {
      const [first] = tensorPlan(threaded.fold);
      await expect(first && spanOf(threaded, first)).rejects.toMatchObject({ name: "FormatError", code: "io" });
    } finally {
      await threaded.close();
      await opened.close();
      await removeCheckpoint(gone);
    }
  });
});
