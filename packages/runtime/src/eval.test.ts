import { memorySink, memorySource } from "@s7l/format";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { tinyModel } from "../test/sealed.ts";
import { dequantize, evaluate, sequencesOf } from "./eval.ts";
import type { Model } from "./model.ts";
import { STX } from "./session/gate.ts";
import { openSession, Session } from "./session/session.ts";

const runtimeError = (code: string) => expect.objectContaining({ name: "RuntimeError", code });

let model: Model;
beforeAll(async () => {
  model = await tinyModel("dense");
});

const SEQUENCES = [
  [3, 14, 15, 9, 26, 5, 35],
  [2, 7, 18, 28],
];

/** Rows of real logits, one position at a time, straight from the integers. */
async function rowsOf(ids: readonly number[]): Promise<number[][]> {
  const body = openSession(model).begin(STX);
  const rows = [];
  for (const id of ids) {
    const { mantissas, exponents } = await body.forward([id]);
    rows.push(Array.from(mantissas, (m) => m * 2 ** (exponents[0] ?? 0)));
  }
  return rows;
}

function softmax(row: readonly number[]): number[] {
  const powers = row.map(Math.exp);
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

const argmax = (row: readonly number[]): number => row.indexOf(Math.max(...row));

describe("evaluate", () => {
  test("scores each sequence from its own start", async () => {
    let nll = 0;
    let hits = 0;
    for (const ids of SEQUENCES) {
      for (const [i, row] of (await rowsOf(ids)).slice(0, -1).entries()) {
        nll -= Math.log(softmax(row)[ids[i + 1] ?? 0] ?? 0);
        if (argmax(row) === ids[i + 1]) hits++;
      }
    }
    const result = await evaluate(model, SEQUENCES);
    expect(result.tokens).toBe(9);
    expect(result.nll).toBeCloseTo(nll / 9, 5);
    expect(Math.log(result.perplexity)).toBeCloseTo(nll / 9, 5);
    expect(result.top1).toBe(hits / 9);
    expect(result).not.toHaveProperty("kl");
  });

  test("counts a token that is the likeliest", async () => {
    const next = argmax((await rowsOf([3]))[0] ?? []);
    expect((await evaluate(model, [[3, next]])).top1).toBe(1);
    expect((await evaluate(model, [[3, (next + 1) % model.vocab]])).top1).toBe(0);
  });

  test("writes the logits of every position as float32, sequences in order", async () => {
    const sink = memorySink();
    await evaluate(model, SEQUENCES, { logits: sink });
    const bytes = sink.bytes();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const rows = (await Promise.all(SEQUENCES.map(rowsOf))).flat().flat();
    expect(bytes.length).toBe(4 * rows.length);
    for (const [i, value] of rows.entries()) expect(view.getFloat32(4 * i, true)).toBe(Math.fround(value));
  });

  test("agrees wholly with its own logits", async () => {
    const sink = memorySink();
    await evaluate(model, SEQUENCES, { logits: sink });
    const { kl, top1Agreement } = await evaluate(model, SEQUENCES, { against: memorySource(sink.bytes()) });
    expect(kl).toBeCloseTo(0, 9);
    expect(top1Agreement).toBe(1);
  });

  test("measures the divergence from other logits, the reference being the first argument", async () => {
    const rows = (await Promise.all(SEQUENCES.map(rowsOf))).flat();
    // The reference: each row shifted by one place, so that another id is the likeliest.
    const reference = rows.map((row) => [row.at(-1) ?? 0, ...row.slice(0, -1)].map((value) => Math.fround(value)));
    const bytes = new Uint8Array(Float32Array.from(reference.flat()).buffer);
    let kl = 0;
    rows.forEach((row, i) => {
      const q = softmax(row);
      softmax(reference[i] ?? []).forEach((p, id) => {
        kl += p * Math.log(p / (q[id] ?? 0));
      });
    });
    const agreed = rows.filter((row, i) => argmax(row) === argmax(reference[i] ?? [])).length;
    const result = await evaluate(model, SEQUENCES, { against: memorySource(bytes) });
    expect(result.kl).toBeCloseTo(kl / rows.length, 4);
    expect(result.top1Agreement).toBe(agreed / rows.length);
    expect(result.top1Agreement).toBeLessThan(1);
  });

  test("tells its progress in positions", async () => {
    const seen: number[] = [];
    await evaluate(model, SEQUENCES, { onProgress: (done, total) => seen.push(done, total) });
    expect(seen).toEqual([7, 11, 11, 11]);
  });

  test.each([
    { what: "no sequences", sequences: [], options: {}, code: "ids" },
    { what: "empty sequences", sequences: [[]], options: {}, code: "ids" },
    { what: "an id without logits", sequences: [[3, 40]], options: {}, code: "ids" },
    { what: "a sequence beyond the context", sequences: [Array(33).fill(3)], options: {}, code: "context" },
    {
      what: "reference logits that are one byte short",
      sequences: [[3]],
      options: { against: memorySource(new Uint8Array(4 * 40 - 1)) },
      code: "reference",
    },
    {
      what: "reference logits of another vocabulary",
      sequences: [[3]],
      options: { against: memorySource(new Uint8Array(4 * 41)) },
      code: "reference",
    },
  ])("refuses $what", async ({ sequences, options, code }) => {
    await expect(evaluate(model, sequences, options)).rejects.toThrow(runtimeError(code));
  });

  test("asks whether every sequence fits before it runs any, and says how long the one is that does not", async () => {
    const seen: number[] = [];
    const evaluation = evaluate(model, [[3], Array(90).fill(3)], { onProgress: (done) => seen.push(done) });
    await expect(evaluation).rejects.toThrow("sequence 1 has 90 ids; the artifact allows 32");
    expect(seen).toEqual([]);
  });

  test.each([
    { fate: "that succeeds", sequences: SEQUENCES },
    { fate: "that fails", sequences: [[3, 14], [40]] },
  ])("one $fate leaves no session open", async ({ sequences }) => {
    const close = vi.spyOn(Session.prototype, "close");
    await evaluate(model, sequences).catch(() => undefined);
    expect(close).toHaveBeenCalledTimes(2);
    close.mockRestore();
  });

  test("stops at an abort", async () => {
    await expect(evaluate(model, SEQUENCES, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow(
      "enough",
    );
  });
});

test("dequantize is mantissa times a power of two, rounded to float32 once", () => {
  const logits = { vocab: 2, mantissas: Int32Array.of(3, -5, 2 ** 31 - 1, 1), exponents: Int32Array.of(-1, 4) };
  expect([...dequantize(logits)]).toEqual([1.5, -2.5, 2 ** 35, 16]);
});

test("sequencesOf cuts a text into whole contexts", () => {
  const ids = model.tokenizer?.encode("A".repeat(70)) ?? [];
  const sequences = sequencesOf(model, "A".repeat(70));
  expect(sequences.map(({ length }) => length)).toEqual([32, 32, 6]);
  expect(sequences.flat()).toEqual(ids);
});
