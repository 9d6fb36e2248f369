import { expenseOf, mangledBytes } from "@s7l/fixtures";
import { memorySource, sha256 } from "@s7l/format";
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { openVerified } from "../src/index.ts";
import { checkProof, prove } from "../src/proof/index.ts";
import { publicKeyPem, readPublicKey, signedBy } from "../src/signature/index.ts";
import { parseStatement } from "../src/signature/statement.ts";
import {
  encryptedKeyPem,
  generateKey,
  privateKeyPem,
  readPrivateKey,
  sign,
  writeMinisignPublic,
  writeMinisignSecret,
} from "../src/signing/index.ts";
import { sealTiny } from "./seal-tiny.ts";

const MIB = 1 << 20;
const decode = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const signatureError = expect.objectContaining({ name: "SignatureError" });

/** A reader of strangers' files, a file that it takes, and how it may end otherwise. */
interface Reader {
  readonly valid: Uint8Array;
  readonly read: (bytes: Uint8Array) => unknown;
  readonly error: unknown;
}
const readers = new Map<string, Reader>();
const NAMES = [
  "a minisign signature",
  "a bundle",
  "a statement",
  "a public key in PEM",
  "a public key of minisign",
  "a private key in PEM",
  "an encrypted private key, without its password",
  "a secret key of minisign",
  "a proof",
] as const;

beforeAll(async () => {
  const file = await sealTiny("dense");
  const sealed = { root: file.slice(224, 256), size: file.length, digest: async () => sha256(file) };
  const [p256, ed] = [generateKey("p256"), generateKey("ed25519")] as const;
  if (ed.kind !== "ed25519") throw new Error("no such key");
  const bundle = await sign({ ...sealed, name: "model.s7l" }, { key: p256 });
  const payload = Buffer.from(JSON.parse(new TextDecoder().decode(bundle)).dsseEnvelope.payload, "base64");
  const artifact = await openVerified(memorySource(file));
  const proof = await prove(artifact, { tensor: artifact.plan[0]?.name ?? "", chunk: 0 });
  const add = (
    name: (typeof NAMES)[number],
    valid: Uint8Array,
    read: Reader["read"],
    error: unknown = signatureError,
  ) => readers.set(name, { valid, read, error });

  add("a minisign signature", await sign({ ...sealed, name: "model.s7l" }, { key: ed }), (signature) =>
    signedBy({ signature, key: ed.public })(sealed),
  );
  add("a bundle", bundle, (signature) => signedBy({ signature, key: p256.public, name: "model.s7l" })(sealed));
  add("a statement", new Uint8Array(payload), parseStatement);
  add("a public key in PEM", encode(publicKeyPem(p256.public)), (bytes) => readPublicKey(decode(bytes)));
  add("a public key of minisign", encode(writeMinisignPublic(ed.public)), (bytes) => readPublicKey(decode(bytes)));
  add("a private key in PEM", encode(privateKeyPem(p256)), (bytes) => readPrivateKey(decode(bytes)));
  add("an encrypted private key, without its password", encode(await encryptedKeyPem(p256, "x")), (bytes) =>
    readPrivateKey(decode(bytes)),
  );
  add("a secret key of minisign", encode(writeMinisignSecret({ seed: ed.secret, id: ed.public.id })), (bytes) =>
    readPrivateKey(decode(bytes)),
  );
  add("a proof", proof, (bytes) => checkProof(sealed.root, bytes), expect.objectContaining({ name: "ProofError" }));
});

function readerOf(name: string): Reader {
  const reader = readers.get(name);
  if (!reader) throw new Error(`no reader of ${name}`);
  return reader;
}

describe.each(NAMES)("%s from a stranger", (name) => {
  test("ends in a value or a typed error, whatever the bytes, soon and in little memory", async () => {
    const { valid, read, error } = readerOf(name);
    if (!name.startsWith("an encrypted")) await read(valid);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ unit: "binary", maxLength: 300 }).map(encode),
      fc.nat().map((seed) => mangledBytes(valid, seed)),
    );
    let slowest = 0;
    const { bytes: grown } = await expenseOf(() =>
      fc.assert(
        fc.asyncProperty(bytes, async (given) => {
          const { milliseconds } = await expenseOf(async () => {
            try {
              await read(given);
            } catch (thrown) {
              expect(thrown).toEqual(error);
            }
          });
          slowest = Math.max(slowest, milliseconds);
        }),
        { numRuns: 500, seed: 3 },
      ),
    );
    expect(slowest).toBeLessThan(1000);
    expect(grown).toBeLessThan(128 * MIB);
  });

  test.each([
    ["a megabyte of zeros", new Uint8Array(MIB)],
    ["a megabyte of one letter", new Uint8Array(MIB).fill(0x41)],
    ["a megabyte of opening brackets", new Uint8Array(MIB).fill(0x5b)],
    ["a megabyte of line ends", new Uint8Array(MIB).fill(0x0a)],
    ["a megabyte of quotes", new Uint8Array(MIB).fill(0x22)],
    ["a string of a megabyte that does not end", encode(`{"${"\\\\".repeat(MIB / 2)}`)],
    ["a PEM block of a megabyte", encode(`-----BEGIN PUBLIC KEY-----\n${"A".repeat(MIB)}\n-----END PUBLIC KEY-----\n`)],
    ["a comment of a megabyte", encode(`untrusted comment: ${"a".repeat(MIB)}\n${"A".repeat(56)}\n`)],
    ["a million spaces after a comment", encode(`untrusted comment: a\n${"A".repeat(56)}${" ".repeat(MIB)}x`)],
  ])("is refused where it is %s, in less than a second and without 64 MiB", async (_, bytes) => {
    const { read, error } = readerOf(name);
    const { milliseconds, bytes: grown } = await expenseOf(() =>
      expect(async () => read(bytes)).rejects.toEqual(error),
    );
    expect(milliseconds).toBeLessThan(1000);
    expect(grown).toBeLessThan(64 * MIB);
  });
});
