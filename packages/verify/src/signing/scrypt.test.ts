import { afterEach, expect, test, vi } from "vitest";
import { deriveByScrypt } from "./scrypt.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The vectors of RFC 7914 §12 that take no gibibyte. */
const VECTORS = [
  [
    ["", "", { N: 16, r: 1, p: 1 }],
    "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
  ],
  [
    ["password", "NaCl", { N: 1024, r: 8, p: 16 }],
    "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640",
  ],
] as const;

test.each(VECTORS)("%j derives what RFC 7914 says", ([password, salt, cost], expected) => {
  expect(hexOf(deriveByScrypt(password, utf8(salt), cost, 64))).toBe(expected);
});

test("a host without Node derives the same, in as much memory as any key may ask for", () => {
  const cost = { N: 2 ** 12, r: 8, p: 2 };
  const native = deriveByScrypt("corrèct", utf8("salt"), cost, 40);
  expect(native).toHaveLength(40);
  for (const host of [undefined, {}, { getBuiltinModule: () => ({}) }, { getBuiltinModule: () => null }]) {
    vi.stubGlobal("process", host);
    expect(hexOf(deriveByScrypt("corrèct", utf8("salt"), cost, 40))).toBe(hexOf(native));
  }
});
