import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { p256 } from "@noble/curves/nist.js";
import { type ByteSource, memorySource, sha256, toHex } from "@s7l/format";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LooseStatement } from "../../test/loose-statement.ts";
import { replay, sealTiny } from "../../test/seal-tiny.ts";
import { hasSuites, suiteText } from "../../test/shared-suites.ts";
import { hasMinisign, hasModelSigning, MINISIGN, MODEL_SIGNING, runTool } from "../../test/stock-tools.ts";
import type { Sealed } from "../authenticity.ts";
import {
  generateKey,
  type PrivateKey,
  privateKeyPem,
  readPrivateKey,
  sign,
  writeMinisignPublic,
  writeMinisignSecret,
} from "../signing/index.ts";
import { openVerified, verify } from "../verify.ts";
import { fromBase64, toBase64 } from "./base64.ts";
import { preAuthEncoding } from "./bundle.ts";
import { checkMinisign, parseMinisign } from "./minisign.ts";
import { keyHint, publicKeyPem, readPublicKey } from "./public-key.ts";
import { rootLine, rootStatement } from "./root-statement.ts";
import { signedBy } from "./signed-by.ts";

const utf8 = new TextEncoder();
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

let folder: string;
let file: Uint8Array;
let sealed: Sealed;
let p256Key: PrivateKey;
let edKey: PrivateKey;
let bundle: Uint8Array;
let minisig: Uint8Array;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-signature-"));
  file = await sealTiny("dense");
  sealed = { root: file.slice(224, 256), size: file.length, digest: async () => sha256(file) };
  p256Key = generateKey("p256");
  edKey = generateKey("ed25519");
  bundle = await sign({ ...sealed, name: "model.s7l" }, { key: p256Key });
  minisig = await sign({ ...sealed, name: "model.s7l" }, { key: edKey });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const check = (signature: Uint8Array, key: PrivateKey, name?: string) =>
  signedBy({ signature, key: key.public, ...(name === undefined ? {} : { name }) })(sealed);

describe("a signature of ours", () => {
  test("holds in both forms, and says who signed", async () => {
    expect(await check(bundle, p256Key)).toEqual({ kind: "oms", key: keyHint(p256Key.public) });
    expect(await check(minisig, edKey)).toMatchObject({ kind: "minisign", comment: rootLine(sealed) });
  });

  test("is said to be by the key that was given, as nothing signs the name in a minisign file", async () => {
    const { id: _, ...nameless } = edKey.public.kind === "ed25519" ? edKey.public : { id: undefined };
    const key = { ...edKey, public: nameless } as PrivateKey;
    const changed = text(minisig).split("\n");
    const body = fromBase64(changed[1] ?? "", "signature-form", "");
    body.fill(0x41, 2, 10);
    changed[1] = toBase64(body);
    expect(await check(utf8.encode(changed.join("\n")), key)).toMatchObject({ key: keyHint(key.public) });
  });

  test("is the same bytes each time", async () => {
    expect(await sign({ ...sealed, name: "model.s7l" }, { key: p256Key })).toEqual(bundle);
    expect(await sign({ ...sealed, name: "model.s7l" }, { key: edKey })).toEqual(minisig);
  });

  test("needs no pass over the file, as it names the root", async () => {
    const far = { ...sealed, digest: () => Promise.reject(new Error("asked for the whole file")) };
    expect(await signedBy({ signature: bundle, key: p256Key.public })(far)).toMatchObject({ kind: "oms" });
  });

  test.each<[string, (sealed: Sealed) => Sealed]>([
    ["another root", (one) => ({ ...one, root: one.root.map((byte, i) => (i === 31 ? byte ^ 1 : byte)) })],
    ["another size", (one) => ({ ...one, size: one.size + 1 })],
  ])("is not one of %s", async (_, change) => {
    await expect(signedBy({ signature: bundle, key: p256Key.public })(change(sealed))).rejects.toMatchObject({
      name: "SignatureError",
      code: "signature-subject",
    });
    await expect(signedBy({ signature: minisig, key: edKey.public })(change(sealed))).rejects.toMatchObject({
      name: "SignatureError",
      code: "signature-wrong",
    });
  });

  test("is not one by another key, nor by a key of another kind", async () => {
    await expect(check(bundle, generateKey("p256"))).rejects.toMatchObject({ code: "key-other" });
    await expect(check(minisig, generateKey("ed25519"))).rejects.toMatchObject({ code: "key-other" });
    await expect(check(bundle, edKey)).rejects.toMatchObject({ code: "key-kind" });
    await expect(check(minisig, p256Key)).rejects.toMatchObject({ code: "key-kind" });
  });

  test("is refused with a byte changed: any one of minisign's, every fifth of a bundle", async () => {
    for (const [signature, key] of [
      [bundle, p256Key],
      [minisig, edKey],
    ] as const) {
      let accepted = 0;
      // The first line of a minisign file is a comment that nobody signs; every other byte counts.
      const from = signature === minisig ? signature.indexOf(10) + 1 : 0;
      for (let i = from; i < signature.length; i += signature === minisig ? 1 : 5) {
        const changed = signature.slice();
        changed[i] = (changed[i] ?? 0) ^ 1;
        await check(changed, key).then(
          () => accepted++,
          (error: unknown) => expect(error).toMatchObject({ name: "SignatureError" }),
        );
      }
      expect(accepted).toBe(0);
    }
  }, 120_000);

  test("is refused cut off at any place", async () => {
    for (let length = 0; length < bundle.length - 1; length++)
      await expect(check(bundle.subarray(0, length), p256Key)).rejects.toMatchObject({ name: "SignatureError" });
    for (let length = 0; length < minisig.length - 1; length++)
      await expect(check(minisig.subarray(0, length), edKey)).rejects.toMatchObject({ name: "SignatureError" });
  });
});

interface Parts {
  statement: LooseStatement;
  bundle: {
    mediaType: unknown;
    verificationMaterial: Record<string, unknown>;
    dsseEnvelope: { payload: unknown; payloadType: unknown; signatures: Record<string, unknown>[] };
  };
}

/** A bundle changed before it is signed (its statement, as a value and as text) or after (the rest). */
function forge(change: (parts: Parts) => void, edit = (statement: string): string => statement): Uint8Array {
  const whole: Parts["bundle"] = JSON.parse(text(bundle));
  const before = text(fromBase64(String(whole.dsseEnvelope.payload), "signature-form", ""));
  const parts: Parts = { bundle: whole, statement: JSON.parse(before) };
  change(parts);
  const after = edit(JSON.stringify(parts.statement));
  if (after !== before) {
    const payload = utf8.encode(after);
    const made = p256.sign(preAuthEncoding(payload), p256Key.secret, { prehash: true, format: "der" });
    parts.bundle.dsseEnvelope.payload = toBase64(payload);
    parts.bundle.dsseEnvelope.signatures = [{ sig: toBase64(made), keyid: "" }];
  }
  return utf8.encode(JSON.stringify(parts.bundle));
}

type Change = (parts: Parts) => void;

describe("a bundle", () => {
  test.each<[string, string, Change]>([
    ["no signature", "signature-count", ({ bundle }) => bundle.dsseEnvelope.signatures.splice(0)],
    [
      "two signatures, both of them good",
      "signature-count",
      ({ bundle }) => bundle.dsseEnvelope.signatures.push({ ...bundle.dsseEnvelope.signatures[0] }),
    ],
    [
      "an empty signature",
      "signature-wrong",
      ({ bundle }) => Object.assign(bundle.dsseEnvelope.signatures[0] ?? {}, { sig: "" }),
    ],
    [
      "a key id",
      "signature-form",
      ({ bundle }) => Object.assign(bundle.dsseEnvelope.signatures[0] ?? {}, { keyid: "x" }),
    ],
    ["another media type", "signature-form", ({ bundle }) => Object.assign(bundle, { mediaType: "application/json" })],
    [
      "another payload type",
      "signature-form",
      ({ bundle }) => Object.assign(bundle.dsseEnvelope, { payloadType: "text/plain" }),
    ],
    ["a field nobody knows", "signature-form", ({ bundle }) => Object.assign(bundle, { more: 1 })],
    ["no material", "signature-form", ({ bundle }) => Object.assign(bundle, { verificationMaterial: null })],
    [
      "a hint of another key",
      "key-other",
      ({ bundle }) => Object.assign(bundle.verificationMaterial, { publicKey: { hint: "0".repeat(64) } }),
    ],
    ["no hint", "signature-form", ({ bundle }) => Object.assign(bundle.verificationMaterial, { publicKey: {} })],
    [
      "a certificate in place of a key",
      "key-kind",
      ({ bundle }) => Object.assign(bundle, { verificationMaterial: { certificate: { rawBytes: "" } } }),
    ],
    [
      "a certificate beside its key",
      "key-kind",
      ({ bundle }) => Object.assign(bundle.verificationMaterial, { certificate: { rawBytes: "" } }),
    ],
    [
      "a chain of certificates beside its key",
      "key-kind",
      ({ bundle }) => Object.assign(bundle.verificationMaterial, { x509CertificateChain: { certificates: [] } }),
    ],
    [
      "a timestamp",
      "signature-form",
      ({ bundle }) =>
        Object.assign(bundle.verificationMaterial, { timestampVerificationData: { rfc3161Timestamps: [{}] } }),
    ],
    [
      "log entries that are no list",
      "signature-form",
      ({ bundle }) => Object.assign(bundle.verificationMaterial, { tlogEntries: {} }),
    ],
    [
      "a hint beside another name of its key",
      "signature-form",
      ({ bundle }) => Object.assign(bundle.verificationMaterial.publicKey ?? {}, { rawBytes: "" }),
    ],
    [
      "a hint that is no digest",
      "signature-form",
      ({ bundle }) => Object.assign(bundle.verificationMaterial, { publicKey: { hint: `${"0".repeat(64)} ` } }),
    ],
    [
      "a signature that is no Base64",
      "signature-form",
      ({ bundle }) => Object.assign(bundle.dsseEnvelope.signatures[0] ?? {}, { sig: "-" }),
    ],
    [
      "signatures that are no list",
      "signature-form",
      ({ bundle }) => Object.assign(bundle.dsseEnvelope, { signatures: {} }),
    ],
    [
      "a number for a key id",
      "signature-form",
      ({ bundle }) => Object.assign(bundle.dsseEnvelope.signatures[0] ?? {}, { keyid: 0 }),
    ],
    [
      "log entries",
      "signature-form",
      ({ bundle }) => Object.assign(bundle.verificationMaterial, { tlogEntries: [{}] }),
    ],
    [
      "another predicate type",
      "signature-payload",
      (parts) => Object.assign(parts.statement, { predicateType: "https://slsa.dev/provenance/v1" }),
    ],
    [
      "another statement type",
      "signature-payload",
      (parts) => Object.assign(parts.statement, { _type: "https://in-toto.io/Statement/v0.1" }),
    ],
    ["no subject", "signature-payload", (parts) => Object.assign(parts.statement, { subject: [] })],
    ["two subjects", "signature-payload", (parts) => parts.statement.subject.push(parts.statement.subject[0])],
    [
      "a subject that is not the digest of its files",
      "signature-payload",
      (parts) => Object.assign(parts.statement.subject[0].digest, { sha256: "0".repeat(64) }),
    ],
    [
      "the method shards",
      "signature-payload",
      (parts) => Object.assign(parts.statement.predicate.serialization, { method: "shards" }),
    ],
    [
      "another hash",
      "signature-payload",
      (parts) => Object.assign(parts.statement.predicate.serialization, { hash_type: "blake3" }),
    ],
    [
      "a file twice",
      "signature-payload",
      (parts) => parts.statement.predicate.resources.push(parts.statement.predicate.resources[0]),
    ],
    [
      "another root",
      "signature-subject",
      ({ statement }) => {
        statement.predicate.resources[0].annotations = { s7l: `s7l-v3 sha256:${"0".repeat(64)} size:1` };
      },
    ],
  ])("with %s is refused as %s", async (_, code, change) => {
    await expect(check(forge(change), p256Key)).rejects.toMatchObject({ name: "SignatureError", code });
  });

  test.each<[string, Change]>([
    ["no key id", ({ bundle }) => delete bundle.dsseEnvelope.signatures[0]?.keyid],
    ["null for a key id", ({ bundle }) => Object.assign(bundle.dsseEnvelope.signatures[0] ?? {}, { keyid: null })],
    ["no list of log entries", ({ bundle }) => delete bundle.verificationMaterial.tlogEntries],
    [
      "no timestamp where one could be",
      ({ bundle }) => Object.assign(bundle.verificationMaterial, { timestampVerificationData: {} }),
    ],
  ])("with %s is taken, as other signers write it", async (_, change) => {
    expect(await check(forge(change), p256Key)).toMatchObject({ kind: "oms" });
  });

  describe("of a signer who knows no roots", () => {
    const stock = (name: string, digest: Uint8Array): Uint8Array =>
      forge((parts) => {
        parts.statement.predicate.resources = [{ name, digest: toHex(digest), algorithm: "sha256" }];
        parts.statement.subject[0].digest.sha256 = toHex(sha256(digest));
      });

    test("is held to the digest of the whole file", async () => {
      expect(await check(stock(".", sha256(file)), p256Key)).toMatchObject({ kind: "oms" });
      await expect(check(stock(".", sha256(utf8.encode("other"))), p256Key)).rejects.toMatchObject({
        code: "signature-subject",
      });
    });

    test("signs a file of a folder by its name", async () => {
      expect(await check(stock("model.s7l", sha256(file)), p256Key, "model.s7l")).toMatchObject({ kind: "oms" });
      for (const name of ["other.s7l", undefined])
        await expect(check(stock("model.s7l", sha256(file)), p256Key, name)).rejects.toMatchObject({
          code: "signature-subject",
        });
    });

    test("makes verify read the whole file once more, and hold it to the digest", async () => {
      const signature = signedBy({ signature: stock(".", sha256(file)), key: p256Key.public });
      expect(await verify(memorySource(file), { signature })).toMatchObject({ ok: true, authenticity: "signed" });
      expect(await openVerified(memorySource(file), { signature })).toBeDefined();
    });

    /** A source that shows `other` whenever the file is read from its first byte on again, and `shown` at any other time. */
    const turning = (shown: Uint8Array, other: Uint8Array): ByteSource => {
      let [reads, end] = [0, 0];
      const read = async (offset: number, length: number): Promise<Uint8Array> => {
        const again = offset === 0 ? reads++ > 0 : end > 0 && offset === end;
        end = again ? offset + length : 0;
        return (again ? other : shown).slice(offset, offset + length);
      };
      return { size: shown.length, read };
    };

    test("does not sign another artifact that a source shows for the file", async () => {
      const unsigned = await sealTiny("dense", 8);
      expect(unsigned.length).toBe(file.length);
      const signature = signedBy({ signature: stock(".", sha256(file)), key: p256Key.public });
      const verdict = await verify(turning(unsigned, file), { signature });
      expect(verdict).toMatchObject({ ok: false, integrity: "broken", broken: { id: "V7" } });
      expect(verdict.authenticity).not.toBe("signed");
      await expect(openVerified(turning(unsigned, file), { signature })).rejects.toMatchObject({ name: "VerifyError" });
    });

    test("does not sign the artifact whose root a signed file has, where a byte of that file is another", async () => {
      const table = 256 + 64 * 2;
      for (const at of [table, 1100, file.length - 5000, file.length - 40]) {
        const signed = file.map((byte, i) => (i === at ? byte ^ 1 : byte));
        const signature = signedBy({ signature: stock(".", sha256(signed)), key: p256Key.public });
        // The byte is shown as it was signed at one reading of it, and as it is sealed at the others.
        for (let turn = 1; turn <= 4; turn++) {
          let reads = 0;
          const read = async (offset: number, length: number): Promise<Uint8Array> => {
            const covers = offset <= at && at < offset + length && ++reads === turn;
            return (covers ? signed : file).slice(offset, offset + length);
          };
          const verdict = await verify({ size: file.length, read }, { signature });
          expect(verdict, `byte ${at}, reading ${turn}`).toMatchObject({ ok: false });
          expect(verdict.authenticity).not.toBe("signed");
        }
      }
    });
  });

  test("whose payload was written anew, meaning the same, is refused", async () => {
    const parts: Parts["bundle"] = JSON.parse(text(bundle));
    const payload = JSON.parse(text(fromBase64(String(parts.dsseEnvelope.payload), "signature-form", "")));
    parts.dsseEnvelope.payload = toBase64(utf8.encode(JSON.stringify(payload, undefined, 1)));
    await expect(check(utf8.encode(JSON.stringify(parts)), p256Key)).rejects.toMatchObject({ code: "signature-wrong" });
  });

  test.each([
    ["spaces", (payload: string) => `${payload.slice(0, 8)} ${payload.slice(8)}`],
    ["no padding", (payload: string) => payload.replace(/=*$/, "").slice(0, -1)],
    ["the alphabet of URLs", (payload: string) => `${payload.slice(0, -2)}-_`],
    ["padding too many", (payload: string) => `${payload}====`],
  ])("whose Base64 has %s is refused", async (_, change) => {
    const parts: Parts["bundle"] = JSON.parse(text(bundle));
    parts.dsseEnvelope.payload = change(String(parts.dsseEnvelope.payload));
    await expect(check(utf8.encode(JSON.stringify(parts)), p256Key)).rejects.toMatchObject({ code: "signature-form" });
  });

  test.each([
    ["a key twice", '"dsseEnvelope":', '"dsseEnvelope":{},"dsseEnvelope":'],
    ["a key twice, spelled in two ways", '"dsseEnvelope":', '"dsse\\u0045nvelope":{},"dsseEnvelope":'],
    ["a comment", '"mediaType"', '/**/"mediaType"'],
    ["a comma too many", '"keyid":""', '"keyid":"",'],
    ["bytes that are not UTF-8", "mediaType", "mediaType\u{0}"],
    ["seventeen levels", '"tlogEntries":[]', `"tlogEntries":${"[".repeat(17)}${"]".repeat(17)}`],
    ["a hundred thousand levels", '"tlogEntries":[]', `"tlogEntries":${"[".repeat(100_000)}${"]".repeat(100_000)}`],
  ])("with %s is refused", async (_, part, instead) => {
    const changed = utf8.encode(text(bundle).replace(part, instead)).map((byte) => (byte === 0 ? 0xff : byte));
    await expect(check(changed, p256Key)).rejects.toMatchObject({ code: "signature-form" });
  });

  test.each([
    ["a key twice", '"subject":', '"subject":[],"subject":'],
    ["a key named like the prototype", '"name":', '"__proto__":{},"name":'],
    ["a comment", '"subject":', '/**/"subject":'],
  ])("whose statement has %s is refused, though its signer wrote it so", async (_, part, instead) => {
    const forged = forge(
      () => undefined,
      (statement) => statement.replace(part, instead),
    );
    await expect(check(forged, p256Key)).rejects.toMatchObject({ code: "signature-payload" });
  });

  test("may be as long as a megabyte", async () => {
    const padded = new Uint8Array(1 << 20).fill(0x20);
    padded.set(bundle);
    expect(await check(padded, p256Key)).toMatchObject({ kind: "oms" });
    await expect(check(new Uint8Array([...padded, 0x20]), p256Key)).rejects.toMatchObject({ code: "signature-form" });
  });

  test.each(["", "[]", "untrusted", " {}", "-----BEGIN"])("is neither kind of signature as %j", async (given) => {
    for (const key of [p256Key, edKey])
      await expect(check(utf8.encode(given), key)).rejects.toMatchObject({
        code: "signature-form",
        message: expect.stringContaining("neither"),
      });
  });

  test("of minisign that is no text is refused", async () => {
    const changed = minisig.map((byte, i) => (i === 25 ? 0xff : byte));
    await expect(check(changed, edKey)).rejects.toMatchObject({
      code: "signature-form",
      message: expect.stringContaining("not text"),
      cause: expect.any(TypeError),
    });
  });

  test("with a mark of byte order, or of a megabyte and more, is refused", async () => {
    await expect(check(new Uint8Array([0xef, 0xbb, 0xbf, ...bundle]), p256Key)).rejects.toMatchObject({
      code: "signature-form",
    });
    await expect(check(new Uint8Array((1 << 20) + 1), p256Key)).rejects.toMatchObject({ code: "signature-form" });
  });
});

describe("verify with a signature", () => {
  const options = (signature: Uint8Array, key: PrivateKey) => ({
    replay,
    signature: signedBy({ signature, key: key.public }),
  });

  test("calls an artifact signed", async () => {
    const result = await verify(memorySource(file), { ...options(bundle, p256Key), requireSignature: true });
    expect(result).toMatchObject({
      ok: true,
      integrity: "whole",
      authenticity: "signed",
      signature: { ok: true, kind: "oms" },
    });
    expect(result.artifact).toBeDefined();
    expect(await openVerified(memorySource(file), options(minisig, edKey))).toBeDefined();
  });

  test("refuses an artifact that is whole but not signed by this key, and runs nothing of it", async () => {
    let ran = false;
    const result = await verify(memorySource(file), {
      ...options(bundle, generateKey("p256")),
      replay: async (artifact, prompts) => {
        ran = true;
        return replay(artifact, prompts);
      },
    });
    expect(result).toMatchObject({
      ok: false,
      integrity: "whole",
      authenticity: "refused",
      signature: { ok: false, code: "key-other" },
    });
    expect(result.artifact).toBeUndefined();
    expect(ran).toBe(false);
    await expect(openVerified(memorySource(file), options(bundle, generateKey("p256")))).rejects.toMatchObject({
      name: "SignatureError",
    });
  });

  test("refuses an unsigned artifact where a signature is required, pinned or not", async () => {
    for (const expectedRoot of [undefined, toHex(sealed.root)]) {
      const pin = expectedRoot === undefined ? {} : { expectedRoot };
      const result = await verify(memorySource(file), { ...pin, requireSignature: true });
      expect(result).toMatchObject({ ok: false, authenticity: "refused", signature: { code: "signature-missing" } });
      await expect(openVerified(memorySource(file), { ...pin, requireSignature: true })).rejects.toMatchObject({
        code: "signature-missing",
      });
    }
  });

  test("does not call a broken artifact signed", async () => {
    const broken = file.slice();
    broken[broken.length - 40] = (broken[broken.length - 40] ?? 0) ^ 1;
    expect(await verify(memorySource(broken), options(bundle, p256Key))).toMatchObject({
      ok: false,
      integrity: "broken",
      authenticity: "unproven",
    });
  });

  test("passes on what is no matter of the signature", async () => {
    const signature = () => Promise.reject(new TypeError("out of order"));
    await expect(verify(memorySource(file), { signature })).rejects.toThrow("out of order");
  });
});

describe.skipIf(!hasSuites)("with the vectors of others", () => {
  const oms = (name: string): Uint8Array => utf8.encode(suiteText(`oms-spec/test-vectors/v1.0/${name}`));

  test.each([
    ["invalid/empty.bundle.json", "signature-form"],
    ["invalid/missing-envelope.bundle.json", "signature-form"],
    ["invalid/missing-tlog-entries.bundle.json", "key-kind"],
    ["invalid/missing-verification-material.bundle.json", "signature-form"],
    // Valid, but not by a plain P-256 key.
    ["valid/certificate.bundle.json", "key-kind"],
    ["valid/sigstore.bundle.json", "key-kind"],
    ["valid/key.bundle.json", "key-other"],
  ])("%s is refused as %s", async (name, code) => {
    await expect(check(oms(name), p256Key)).rejects.toMatchObject({ name: "SignatureError", code });
  });

  test("a minisign signature of theirs holds for its message, and for no other", () => {
    const key = readPublicKey(suiteText("minisign/internal/testdata/minisign.pub"));
    const given = parseMinisign(suiteText("minisign/internal/testdata/message.txt.minisig"));
    if (key.kind !== "ed25519") throw new Error("not a minisign key");
    checkMinisign(given, key, utf8.encode(suiteText("minisign/internal/testdata/message.txt")));
    expect(() => checkMinisign(given, key, utf8.encode("Hello World?"))).toThrow(
      expect.objectContaining({ code: "signature-wrong" }),
    );
    expect(() => checkMinisign({ ...given, comment: "another" }, key, utf8.encode("Hello World!\n"))).toThrow(
      expect.objectContaining({ code: "signature-wrong" }),
    );
  });
});

describe.skipIf(!hasModelSigning)("beside the stock model_signing", () => {
  const path = (name: string): string => join(folder, name);

  beforeAll(async () => {
    await writeFile(path("model.s7l"), file);
    await writeFile(path("key.pem"), privateKeyPem(p256Key));
    await writeFile(path("key.pub"), publicKeyPem(p256Key.public));
  });

  test("our bundle is accepted, and not for a file with one bit changed", async () => {
    await writeFile(path("model.s7l.sig"), bundle);
    const verifyArgs = (model: string) => [
      "verify",
      "key",
      path(model),
      "--signature",
      path("model.s7l.sig"),
      "--public_key",
      path("key.pub"),
    ];
    expect(runTool(MODEL_SIGNING, verifyArgs("model.s7l"))).toMatchObject({
      code: 0,
      said: expect.stringContaining("succeeded"),
    });
    await writeFile(
      path("broken.s7l"),
      file.map((byte, i) => (i === 500 ? byte ^ 1 : byte)),
    );
    expect(runTool(MODEL_SIGNING, verifyArgs("broken.s7l")).code).not.toBe(0);
  }, 60_000);

  test("their bundle is accepted, and not for a file with one bit changed", async () => {
    const signing = runTool(MODEL_SIGNING, [
      "sign",
      "key",
      path("model.s7l"),
      "--signature",
      path("theirs.sig"),
      "--private_key",
      path("key.pem"),
    ]);
    expect(signing).toMatchObject({ code: 0 });
    const theirs = new Uint8Array(await readFile(path("theirs.sig")));
    expect(await check(theirs, p256Key)).toEqual({ kind: "oms", key: keyHint(p256Key.public) });
    const other = { ...sealed, digest: async () => sha256(file.map((byte, i) => (i === 500 ? byte ^ 1 : byte))) };
    await expect(signedBy({ signature: theirs, key: p256Key.public })(other)).rejects.toMatchObject({
      code: "signature-subject",
    });
  }, 60_000);
});

describe.skipIf(!hasMinisign)("beside the stock minisign", () => {
  const path = (name: string): string => join(folder, name);

  beforeAll(() => writeFile(path("root"), rootStatement(sealed)));

  test("our signature and public key are accepted, and not for another root", async () => {
    if (edKey.kind !== "ed25519") throw new Error("not a minisign key");
    await writeFile(path("root.minisig"), minisig);
    await writeFile(path("minisign.pub"), writeMinisignPublic(edKey.public));
    const told = runTool(MINISIGN, ["-V", "-p", path("minisign.pub"), "-m", path("root")]);
    expect(told).toMatchObject({ code: 0, said: expect.stringContaining(rootLine(sealed)) });
    await writeFile(path("other"), rootStatement({ ...sealed, size: 1 }));
    expect(
      runTool(MINISIGN, ["-V", "-p", path("minisign.pub"), "-m", path("other"), "-x", path("root.minisig")]).code,
    ).not.toBe(0);
  });

  test.each([
    ["our plain key", undefined],
    ["our encrypted key", "correct horse"],
  ])(
    "%s signs there, prehashed and not",
    async (_, password) => {
      if (edKey.kind !== "ed25519") throw new Error("not a minisign key");
      await writeFile(path("our.key"), writeMinisignSecret({ seed: edKey.secret, id: edKey.public.id }, password));
      for (const form of [[], ["-l"]]) {
        const args = [
          "-S",
          ...form,
          ...(password ? [] : ["-W"]),
          "-s",
          path("our.key"),
          "-m",
          path("root"),
          "-x",
          path("x.minisig"),
        ];
        expect(runTool(MINISIGN, args, `${password}\n`)).toMatchObject({ code: 0 });
        expect(await check(new Uint8Array(await readFile(path("x.minisig"))), edKey)).toMatchObject({
          kind: "minisign",
        });
      }
    },
    60_000,
  );

  // The tool's own cost of a password is seconds of it; `npm run test:interop` pays them.
  test.for([
    ["their plain key", undefined],
    ["their encrypted key, at the tool's own cost", "hunter2"],
  ] as const)("%s is read here, and signs", { timeout: 120_000 }, async ([, password], { skip }) => {
    if (password && !process.env.S7L_WHOLE) skip("npm run test:interop");
    const args = ["-G", "-f", ...(password ? [] : ["-W"]), "-p", path("their.pub"), "-s", path("their.key")];
    expect(runTool(MINISIGN, args, `${password}\n${password}\n`)).toMatchObject({ code: 0 });
    const key = await readPrivateKey(await readFile(path("their.key"), "utf8"), password);
    expect(readPublicKey(await readFile(path("their.pub"), "utf8"))).toEqual(key.public);
    await writeFile(path("y.minisig"), await sign({ ...sealed, name: "" }, { key, comment: "from s7l" }));
    expect(
      runTool(MINISIGN, ["-V", "-p", path("their.pub"), "-m", path("root"), "-x", path("y.minisig")]),
    ).toMatchObject({ code: 0, said: expect.stringContaining("from s7l") });
  });
});
