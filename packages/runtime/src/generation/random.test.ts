import { expect, test } from "vitest";
import { createRandom } from "./random.ts";

test("gives the words that the authors of PCG32 print for seed 42 and stream 54", () => {
  const { word } = createRandom(42n);
  const words = Array.from({ length: 6 }, word);
  expect(words).toEqual([0xa15c02b7, 0x7b47f409, 0xba1d3330, 0x83d2f293, 0xbfa4784b, 0xcbed606e]);
});

test("takes seeds modulo 2^64", () => {
  expect(createRandom(2n ** 64n + 42n).word()).toBe(0xa15c02b7);
});

test("scales 64 bits to a limit of up to 53 bits", () => {
  const limit = Number.MAX_SAFE_INTEGER;
  const high = 0xa15c02b7n;
  const low = 0x7b47f409n;
  expect(createRandom(42n).below(limit)).toBe(Number(((high * 2n ** 32n + low) * BigInt(limit)) / 2n ** 64n));
  const { below } = createRandom(7n);
  const counts = [0, 0, 0];
  for (let i = 0; i < 30_000; i++) counts[below(3)] = (counts[below(3)] ?? 0) + 1;
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
});
