import { memorySource, sha256 } from "@s7l/format";
import { describe, expect, test, vi } from "vitest";
import { judgeSignature, type Sealed, type Signed } from "./authenticity.ts";
import { SignatureError } from "./signature/errors.ts";

const bytes = Uint8Array.from({ length: 2_500_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
const root = new Uint8Array(32).fill(7);
const signed: Signed = { kind: "minisign", key: "A", comment: "mine" };

describe("the verdict on a signature", () => {
  test("is none where none is asked for, and nothing is read for it", async () => {
    const source = { size: 1, read: vi.fn() };
    expect(await judgeSignature(root, source, {})).toBeUndefined();
    expect(await judgeSignature(root, source, { requireSignature: false })).toBeUndefined();
    expect(await judgeSignature(root, source, { signature: async () => signed })).toEqual({ ok: true, ...signed });
    expect(source.read).not.toHaveBeenCalled();
  });

  test("is that one is missing where it is required", async () => {
    expect(await judgeSignature(root, memorySource(bytes), { requireSignature: true })).toEqual({
      ok: false,
      code: "signature-missing",
      message: expect.stringContaining("none was given"),
    });
    const options = { requireSignature: true, signature: async () => signed };
    expect(await judgeSignature(root, memorySource(bytes), options)).toMatchObject({ ok: true });
  });

  test("is what the check finds of the root, the size and the digest of all bytes", async () => {
    let sealed: Sealed | undefined;
    const signature = async (given: Sealed): Promise<Signed> => {
      sealed = given;
      expect(await given.digest()).toEqual(sha256(bytes));
      throw new SignatureError("signature-wrong", "not this one");
    };
    const verdict = await judgeSignature(root, memorySource(bytes), { signature });
    expect(verdict).toEqual({ ok: false, code: "signature-wrong", message: "not this one" });
    expect(sealed).toMatchObject({ root, size: bytes.length });
    sealed?.root.fill(0);
    expect(root[0]).toBe(7);
  });

  test("is not for a failing source or check, nor for a reader who leaves", async () => {
    const digesting = async ({ digest }: Sealed): Promise<Signed> => {
      await digest();
      return signed;
    };
    const failing = { size: 5, read: () => Promise.reject(new Error("cut off")) };
    await expect(judgeSignature(root, failing, { signature: digesting })).rejects.toThrow("cut off");
    const out = () => Promise.reject(new TypeError("out of order"));
    await expect(judgeSignature(root, memorySource(bytes), { signature: out })).rejects.toThrow("out of order");
    const stop = new AbortController();
    const memory = memorySource(bytes);
    let reads = 0;
    const source = {
      ...memory,
      read: (offset: number, length: number) => {
        reads++;
        stop.abort();
        return memory.read(offset, length);
      },
    };
    await expect(judgeSignature(root, source, { signature: digesting, signal: stop.signal })).rejects.toMatchObject({
      name: "AbortError",
    });
    expect(reads).toBe(1);
  });
});
