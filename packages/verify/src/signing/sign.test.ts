import { sha256, toHex } from "@s7l/format";
import { describe, expect, test, vi } from "vitest";
import { fromBase64 } from "../signature/base64.ts";
import { parseBundle } from "../signature/bundle.ts";
import { minisignKeyName, parseMinisign } from "../signature/minisign.ts";
import { keyHint } from "../signature/public-key.ts";
import { rootLine } from "../signature/root-statement.ts";
import { parseStatement } from "../signature/statement.ts";
import { generateKey } from "./private-key.ts";
import { sign, signFile } from "./sign.ts";

const p256 = generateKey("p256");
const ed = generateKey("ed25519");
if (ed.kind !== "ed25519") throw new Error("another kind");
const bytes = new TextEncoder().encode("a file");
const digest = sha256(bytes);
const artifact = { root: new Uint8Array(32).fill(7), size: 9, name: "model.s7l", digest: async () => digest };
const textOf = (given: Uint8Array): string => new TextDecoder().decode(given);

describe("a bundle", () => {
  test("of an artifact names its file for the stock tool, and its root for us", async () => {
    const bundle = await sign(artifact, { key: p256 });
    const { hint, payload } = parseBundle(bundle);
    expect(hint).toBe(keyHint(p256.public));
    expect(parseStatement(payload)).toEqual([{ name: ".", digest: toHex(digest), root: rootLine(artifact) }]);
    expect(JSON.parse(textOf(payload))).toMatchObject({
      subject: [{ name: "model.s7l" }],
      predicate: { serialization: { allow_symlinks: false, ignore_paths: [] } },
    });
    expect(textOf(bundle)).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(textOf(bundle))).toMatchObject({
      verificationMaterial: { tlogEntries: [] },
      dsseEnvelope: { signatures: [{ keyid: "" }] },
    });
  });

  test("of a file names no root", () => {
    const { payload } = parseBundle(signFile({ name: "r.json", bytes }, { key: p256 }));
    expect(parseStatement(payload)).toEqual([{ name: ".", digest: toHex(digest) }]);
    expect(textOf(payload)).not.toContain("annotations");
    expect(JSON.parse(textOf(payload))).toMatchObject({ subject: [{ name: "r.json" }] });
  });

  test("has no place for a comment, and none is dropped", async () => {
    const refused = {
      name: "SignatureError",
      code: "key-kind",
      message: expect.stringContaining("take an Ed25519 key"),
    };
    const far = vi.fn(artifact.digest);
    for (const comment of ["mine", ""]) {
      await expect(sign({ ...artifact, digest: far }, { key: p256, comment })).rejects.toMatchObject(refused);
      expect(() => signFile({ name: "", bytes }, { key: p256, comment })).toThrow(expect.objectContaining(refused));
    }
    expect(far).not.toHaveBeenCalled();
  });
});

describe("a minisign signature", () => {
  test("is of the message's hash, by a key that its first line names", async () => {
    const text = textOf(await sign(artifact, { key: ed }));
    expect(text.split("\n")).toEqual([
      `untrusted comment: signature by key ${minisignKeyName(ed.public.id)}`,
      expect.stringMatching(/^RU[A-Z]/),
      `trusted comment: ${rootLine(artifact)}`,
      expect.stringMatching(/^.{88}$/),
      "",
    ]);
    expect(parseMinisign(text)).toMatchObject({ prehashed: true, id: ed.public.id });
    expect(fromBase64(text.split("\n")[1] ?? "", "signature-form", "")).toHaveLength(74);
  });

  test("has the caller's comment, or says what it is of", async () => {
    expect(parseMinisign(textOf(await sign(artifact, { key: ed, comment: "mine" }))).comment).toBe("mine");
    expect(parseMinisign(textOf(signFile({ name: "r.json", bytes }, { key: ed }))).comment).toBe(
      `sha256:${toHex(digest)}`,
    );
    const long = "c".repeat(1024);
    expect(parseMinisign(textOf(signFile({ name: "", bytes }, { key: ed, comment: long }))).comment).toBe(long);
  });

  test("reads nothing of the artifact", async () => {
    const far = vi.fn(artifact.digest);
    await sign({ ...artifact, digest: far }, { key: ed });
    expect(far).not.toHaveBeenCalled();
  });

  test.each([
    ["two lines", "a\nb"],
    ["a line of Windows", "a\rb"],
    ["too many letters", "c".repeat(1025)],
  ])("has no comment of %s", async (_, comment) => {
    const refused = { name: "SignatureError", code: "signature-form" };
    await expect(sign(artifact, { key: ed, comment })).rejects.toMatchObject(refused);
    expect(() => signFile({ name: "", bytes }, { key: ed, comment })).toThrow(expect.objectContaining(refused));
  });
});
