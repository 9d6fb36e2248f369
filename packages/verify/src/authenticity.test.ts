import { describe, expect, test, vi } from "vitest";
import { judgeSignature, type Sealed, type Signed } from "./authenticity.ts";
import { SignatureError } from "./signature/errors.ts";

const sum = new Uint8Array(32).fill(9);
const digest = vi.fn(async () => sum);
const artifact = { root: new Uint8Array(32).fill(7), size: 2_500_000, digest };
const signed: Signed = { kind: "minisign", key: "A", comment: "mine" };

describe("the verdict on a signature", () => {
  test("is none where none is asked for, and nothing is read for it", async () => {
    expect(await judgeSignature(artifact, {})).toBeUndefined();
    expect(await judgeSignature(artifact, { requireSignature: false })).toBeUndefined();
    expect(await judgeSignature(artifact, { signature: async () => signed })).toEqual({ ok: true, ...signed });
    expect(digest).not.toHaveBeenCalled();
  });

  test("is that one is missing where it is required", async () => {
    expect(await judgeSignature(artifact, { requireSignature: true })).toEqual({
      ok: false,
      code: "signature-missing",
      message: expect.stringContaining("none was given"),
    });
    const options = { requireSignature: true, signature: async () => signed };
    expect(await judgeSignature(artifact, options)).toMatchObject({ ok: true });
  });

  test("is what the check finds of the root, the size and the digest of the artifact", async () => {
    const { signal } = new AbortController();
    let sealed: Sealed | undefined;
    const signature = async (given: Sealed): Promise<Signed> => {
      sealed = given;
      expect(await given.digest()).toBe(sum);
      throw new SignatureError("signature-wrong", "not this one");
    };
    const verdict = await judgeSignature(artifact, { signature, signal, fromCache: true });
    expect(verdict).toEqual({ ok: false, code: "signature-wrong", message: "not this one" });
    expect(sealed).toMatchObject({ root: artifact.root, size: artifact.size });
    expect(digest).toHaveBeenCalledExactlyOnceWith({ signal, fromCache: true });
  });

  test("is not for a failing source or check", async () => {
    const digesting = async ({ digest }: Sealed): Promise<Signed> => {
      await digest();
      return signed;
    };
    const failing = { ...artifact, digest: () => Promise.reject(new Error("cut off")) };
    await expect(judgeSignature(failing, { signature: digesting })).rejects.toThrow("cut off");
    const out = () => Promise.reject(new TypeError("out of order"));
    await expect(judgeSignature(artifact, { signature: out })).rejects.toThrow("out of order");
  });
});
