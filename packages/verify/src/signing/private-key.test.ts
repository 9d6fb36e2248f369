import { createHash, createPrivateKey, createPublicKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import { fromBase64, toBase64 } from "../signature/base64.ts";
import { readPem, writePem } from "../signature/pem.ts";
import { publicKeyPem, readPublicKey } from "../signature/public-key.ts";
import { writeMinisignPublic, writeMinisignSecret } from "./minisign-secret.ts";
import { generateKey, privateKey, privateKeyPem, readPrivateKey } from "./private-key.ts";

const p256 = generateKey("p256");
const ed = generateKey("ed25519");
if (ed.kind !== "ed25519") throw new Error("another kind");
const plain = writeMinisignSecret({ seed: ed.secret, id: ed.public.id });

describe("a private key", () => {
  test.each([
    ["P-256", p256],
    ["Ed25519", ed],
  ] as const)("of %s survives PEM, and node reads it as the same", async (_, key) => {
    const pem = privateKeyPem(key);
    expect((await readPrivateKey(pem)).secret).toEqual(key.secret);
    const host = createPrivateKey(pem);
    expect(createPublicKey(host).export({ type: "spki", format: "pem" })).toBe(publicKeyPem(key.public));
    expect(host.export({ type: "pkcs8", format: "pem" })).toBe(pem);
    expect(readPublicKey(publicKeyPem(key.public)).point).toEqual(key.public.point);
  });

  test("of P-256 is read as openssl's other tools write it", async () => {
    const sec1 = createPrivateKey(privateKeyPem(p256)).export({ type: "sec1", format: "pem" });
    expect(await readPrivateKey(String(sec1))).toEqual(p256);
  });

  test("of P-256 is read without its public half, which follows from it", async () => {
    const head = "3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420";
    const der = new Uint8Array([...Buffer.from(head, "hex"), ...p256.secret]);
    expect(await readPrivateKey(writePem({ label: "PRIVATE KEY", der }))).toEqual(p256);
  });

  test("of Ed25519 has a name of its own where its file has none, the same each time", async () => {
    const read = await readPrivateKey(privateKeyPem(ed));
    const id = createHash("sha256").update(ed.public.point).digest().subarray(0, 8);
    expect(read).toEqual({ kind: "ed25519", secret: ed.secret, public: { ...ed.public, id: new Uint8Array(id) } });
    expect(ed.public.id).toHaveLength(8);
    expect(generateKey("ed25519").public).not.toMatchObject({ id: ed.public.id });
  });

  test.each(["p256", "ed25519"] as const)("of %s is no secret of another length", (kind) => {
    for (const length of [0, 31, 33])
      expect(() => privateKey(kind, new Uint8Array(length).fill(1))).toThrow(
        expect.objectContaining({ name: "SignatureError", code: "key-form", cause: expect.any(Error) }),
      );
  });

  test("of minisign survives its file, with a password and without", async () => {
    expect(await readPrivateKey(plain)).toEqual(ed);
    const encrypted = writeMinisignSecret({ seed: ed.secret, id: ed.public.id }, "pass");
    expect(encrypted).not.toContain(toBase64(ed.secret).slice(0, 20));
    expect(await readPrivateKey(encrypted, "pass")).toEqual(ed);
    await expect(readPrivateKey(encrypted, "Pass")).rejects.toMatchObject({ code: "key-password" });
    await expect(readPrivateKey(encrypted)).rejects.toMatchObject({ code: "key-password" });
    expect(readPublicKey(writeMinisignPublic(ed.public))).toEqual(ed.public);
  });

  test("is another one each time", () => {
    expect(generateKey("p256").secret).not.toEqual(generateKey("p256").secret);
    expect(generateKey("ed25519").secret).not.toEqual(generateKey("ed25519").secret);
  });
});

/** A minisign secret key with some of its bytes changed. */
function changed(change: (bytes: Uint8Array) => void): string {
  const [comment = "", body = ""] = plain.split("\n");
  const bytes = fromBase64(body, "key-form", "");
  change(bytes);
  return `${comment}\n${toBase64(bytes)}\n`;
}

function withDer(pem: string, change: (der: Uint8Array) => Uint8Array): string {
  const { label, der } = readPem(pem);
  return writePem({ label, der: change(der) });
}

const flipLast = (der: Uint8Array): Uint8Array => der.map((byte, i) => (i === der.length - 1 ? byte ^ 1 : byte));
const costly = (bytes: Uint8Array, time: bigint, memory: bigint): void => {
  bytes.set([0x53, 0x63], 2);
  new DataView(bytes.buffer).setBigUint64(38, time, true);
  new DataView(bytes.buffer).setBigUint64(46, memory, true);
};

describe("a key file that is wrong", () => {
  test.each<[string, string, string]>([
    ["nothing", "", "key-form"],
    ["no PEM", "hello", "key-form"],
    ["two PEM blocks", privateKeyPem(p256) + privateKeyPem(ed), "key-form"],
    ["labels that differ", privateKeyPem(p256).replace("END PRIVATE", "END PUBLIC"), "key-form"],
    ["a public key", publicKeyPem(p256.public), "key-kind"],
    ["an encrypted PEM of nothing", writePem({ label: "ENCRYPTED PRIVATE KEY", der: new Uint8Array(9) }), "key-form"],
    ["a byte too many", withDer(privateKeyPem(p256), (der) => new Uint8Array([...der, 0])), "key-kind"],
    ["the label of another form", privateKeyPem(p256).replaceAll("PRIVATE", "EC PRIVATE"), "key-kind"],
    ["a byte too few", withDer(privateKeyPem(ed), (der) => der.slice(0, -1)), "key-kind"],
    ["another curve", withDer(privateKeyPem(p256), (der) => der.map((b, i) => (i === 25 ? b ^ 1 : b))), "key-kind"],
    ["halves that do not match", withDer(privateKeyPem(p256), flipLast), "key-form"],
    [
      "a zero scalar",
      withDer(privateKeyPem(p256), (der) => der.map((b, i) => (i >= 36 && i < 68 ? 0 : b))),
      "key-form",
    ],
    ["a minisign key of another kind", changed((bytes) => bytes.fill(0x41, 0, 1)), "key-kind"],
    ["another way of deriving", changed((bytes) => bytes.fill(0x41, 2, 3)), "key-kind"],
    ["minisign halves that do not match", changed((bytes) => bytes.fill(1, 62, 63)), "key-form"],
    ["2^63 bytes of memory to derive it", changed((bytes) => costly(bytes, 1n << 63n, 1n << 63n)), "key-form"],
    ["2 GiB of memory", changed((bytes) => costly(bytes, 1n << 26n, 1n << 31n)), "key-form"],
    ["hours of time", changed((bytes) => costly(bytes, 1n << 50n, 1n << 20n)), "key-form"],
    ["no memory at all", changed((bytes) => costly(bytes, 1n << 60n, 0n)), "key-form"],
  ])("is refused: %s", async (_, text, code) => {
    await expect(readPrivateKey(text, "x")).rejects.toMatchObject({ name: "SignatureError", code });
  });

  test.each<[string, string, string]>([
    ["nothing", "", "key-form"],
    ["a private key", privateKeyPem(p256), "key-form"],
    ["a minisign secret key", plain, "key-form"],
    ["P-384", publicPem384(), "key-kind"],
    ["Base64 with a stray bit", publicKeyPem(ed.public).replace(/.(?==\n)/, successor), "key-form"],
    ["a byte too many", withDer(publicKeyPem(ed.public), (der) => new Uint8Array([...der, 0])), "key-kind"],
    ["a point off the curve", withDer(publicKeyPem(p256.public), flipLast), "key-weak"],
    [
      "a point of small order",
      withDer(publicKeyPem(ed.public), (der) => der.map((b, i) => (i < 12 ? b : 0))),
      "key-weak",
    ],
    ["a minisign key of another kind", writeMinisignPublic(ed.public).replace("\nRW", "\nQW"), "key-kind"],
    ["a minisign key cut short", writeMinisignPublic(ed.public).slice(0, -3), "key-form"],
  ])("is refused as a public key: %s", (_, text, code) => {
    expect(() => readPublicKey(text)).toThrow(expect.objectContaining({ name: "SignatureError", code }));
  });
});

/** The next digit: the last one before padding has bits that no byte takes. */
function successor(digit: string): string {
  return String.fromCharCode(digit.charCodeAt(0) + 1);
}

function publicPem384(): string {
  const head = "3076301006072a8648ce3d020106052b81040022036200";
  return writePem({
    label: "PUBLIC KEY",
    der: new Uint8Array([...Buffer.from(head, "hex"), 4, ...new Uint8Array(96)]),
  });
}
