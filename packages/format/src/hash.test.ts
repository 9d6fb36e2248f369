import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { concatBytes, createSha256, equalBytes, sha256, sha256Async, toHex } from "./hash.ts";

const reference = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

/** The module as it loads where there is no Node. */
async function withoutNode(globals: Readonly<Record<string, unknown>>): Promise<typeof import("./hash.ts")> {
  vi.resetModules();
  vi.stubGlobal("process", { ...process, getBuiltinModule: undefined });
  for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value);
  return import("./hash.ts");
}

describe("sha256", () => {
  test("is SHA-256 of the concatenation of its parts", () => {
    expect(toHex(sha256())).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(toHex(sha256(Uint8Array.of(0x61), Uint8Array.of(0x62, 0x63)))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  test("is the same where node:crypto hashes by objects alone, as in hosts that are almost Node", async () => {
    vi.resetModules();
    vi.stubGlobal("process", { ...process, getBuiltinModule: () => ({ createHash }) });
    const almost: typeof import("./hash.ts") = await import("./hash.ts");
    for (const length of [0, 1, 65, 4095, 4096, 4097]) {
      const bytes = new Uint8Array(length).fill(length);
      expect(toHex(almost.sha256(bytes, bytes))).toBe(reference(concatBytes(bytes, bytes)));
      expect(toHex(sha256(bytes))).toBe(reference(bytes));
    }
  });

  test("is the same by node:crypto, WebCrypto and noble", async () => {
    const [web, noble] = [await withoutNode({}), await withoutNode({ crypto: undefined })];
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 20_000 }), async (bytes) => {
        const expected = reference(bytes);
        expect(toHex(sha256(bytes))).toBe(expected);
        expect(toHex(await sha256Async(bytes))).toBe(expected);
        expect(toHex(noble.sha256(bytes))).toBe(expected);
        expect(toHex(await noble.sha256Async(bytes))).toBe(expected);
        expect(toHex(await web.sha256Async(bytes))).toBe(expected);
      }),
      { numRuns: 40 },
    );
  });

  test("goes to WebCrypto for large chunks where there is no Node, whatever the parts", async () => {
    const { subtle } = globalThis.crypto;
    const digest = vi.fn((name: string, data: BufferSource) => subtle.digest(name, data));
    const web = await withoutNode({ crypto: { subtle: { digest } } });
    const large = new Uint8Array(1 << 16).fill(3);
    const expected = reference(concatBytes(Uint8Array.of(0), large));
    expect(toHex(await web.sha256Async(Uint8Array.of(0), large))).toBe(expected);
    expect(digest).toHaveBeenCalledTimes(1);
    expect(toHex(await web.sha256Async(Uint8Array.of(0)))).toBe(reference(Uint8Array.of(0)));
    expect(digest).toHaveBeenCalledTimes(1);
  });

  test("runs on, piece by piece", () => {
    const hash = createSha256();
    for (const byte of [1, 2, 3]) hash.update(Uint8Array.of(byte));
    expect(toHex(hash.digest())).toBe(reference(Uint8Array.of(1, 2, 3)));
  });
});

describe("bytes", () => {
  test("are equal when each one is", () => {
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
  });

  test("are written in hexadecimal with two digits a byte", () => {
    expect(toHex(Uint8Array.of(0, 10, 255))).toBe("000aff");
  });
});
