/** Logits out of WebAssembly memory. */
import type { Logits } from "../engine.ts";
import type { Arena } from "./arena.ts";
import type { Heap } from "./heap.ts";
import * as HEAD from "./layout/head.ts";

/** Copies the `count` rows that the arena holds to the rows of `logits` from `row` on. */
export function readLogits({ i32 }: Heap, { logitPlace }: Arena, logits: Logits, row: number, count: number): void {
  const { data, heads, pitch } = logitPlace;
  const { vocab, mantissas, exponents } = logits;
  for (let i = 0; i < count; i++) {
    const from = (data + i * pitch) / 4;
    mantissas.set(i32.subarray(from, from + vocab), (row + i) * vocab);
    exponents[row + i] = i32[(heads + i * HEAD.bytes) / 4 + HEAD.exponent] ?? 0;
  }
}
