import { spawnSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { readPem, writePem } from "../signature/pem.ts";
import { DER, writeDer } from "./der.ts";
import { encryptedKeyPem, generateKey, privateKeyPem, readPrivateKey } from "./private-key.ts";

const p256 = generateKey("p256");
const ed25519 = generateKey("ed25519");
const PASSWORD = "corrèct horse";
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

/** What Node writes, by OpenSSL's PBES2. */
const byNode = (cipher: string): string =>
  String(createPrivateKey(privateKeyPem(p256)).export({ type: "pkcs8", format: "pem", cipher, passphrase: PASSWORD }));

function openssl(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync("openssl", args, { input: privateKeyPem(p256), encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

describe("a key under a password", () => {
  test.each([
    ["P-256", p256],
    ["Ed25519", ed25519],
  ] as const)("of %s survives its file, which node reads too", async (_, key) => {
    const pem = await encryptedKeyPem(key, PASSWORD);
    expect((await readPrivateKey(pem, PASSWORD)).secret).toEqual(key.secret);
    const host = createPrivateKey({ key: pem, passphrase: PASSWORD });
    expect(host.export({ type: "pkcs8", format: "pem" })).toBe(privateKeyPem(key));
    expect(await encryptedKeyPem(key, PASSWORD)).not.toBe(pem);
  });

  test.each(["aes-256-cbc", "aes-128-cbc"])("is read as node writes it with %s", async (cipher) => {
    expect(await readPrivateKey(byNode(cipher), PASSWORD)).toEqual(p256);
  });

  test.skipIf(!hasOpenssl).each<[string, readonly string[]]>([
    ["PBKDF2", ["-v2", "aes256"]],
    ["PBKDF2 with SHA-512", ["-v2", "aes256", "-v2prf", "hmacWithSHA512"]],
    ["PBKDF2 with SHA-1", ["-v2", "aes128", "-v2prf", "hmacWithSHA1"]],
    ["PBKDF2 of many rounds", ["-v2", "aes256", "-iter", "100000"]],
    ["scrypt", ["-scrypt", "-v2", "aes256"]],
  ])("is read as openssl writes it, by %s", async (_, how) => {
    const pem = openssl("pkcs8", "-topk8", ...how, "-passout", `pass:${PASSWORD}`);
    expect(await readPrivateKey(pem, PASSWORD)).toEqual(p256);
    await expect(readPrivateKey(pem, "other")).rejects.toMatchObject({ code: "key-password" });
  });

  test("is not opened by another password, not even where the padding comes out right by chance", async () => {
    await expect(readPrivateKey(byNode("aes-256-cbc"))).rejects.toMatchObject({ code: "key-password" });
    // No password opens 64 zeros. Their padding is right once in 256 times: among 2000 guesses, some eight times.
    const pem = encryptedBy(PBKDF2, salt(8), integer(1));
    for (let i = 0; i < 2000; i++) {
      const guess = readPrivateKey(pem, `guess ${i}`);
      await expect(guess).rejects.toMatchObject({ name: "SignatureError", code: "key-password" });
    }
  });

  test("of another kind says so, once it is decrypted", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "secp384r1" });
    const how = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: PASSWORD } as const;
    const pem = String(privateKey.export(how));
    await expect(readPrivateKey(pem, PASSWORD)).rejects.toMatchObject({ code: "key-kind" });
  });
});

type Change = (der: Uint8Array) => Uint8Array;
const from = (bytes: readonly number[], to: readonly number[]): Change => {
  return (der) => {
    const text = Buffer.from(der).toString("latin1");
    const wanted = Buffer.from(bytes).toString("latin1");
    if (text.split(wanted).length !== 2) throw new Error("what is to be changed does not stand there once");
    return new Uint8Array(Buffer.from(text.replace(wanted, Buffer.from(to).toString("latin1")), "latin1"));
  };
};
const PBES2 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const AES_256 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42];

/** PBES2 around parameters of one's own. */
function encryptedBy(kdf: readonly number[], ...parameters: readonly Uint8Array[]): string {
  const sequence = (...content: readonly Uint8Array[]): Uint8Array => writeDer(DER.sequence, ...content);
  const named = (id: readonly number[], content: Uint8Array): Uint8Array =>
    sequence(writeDer(DER.oid, Uint8Array.from(id)), content);
  const cipher = named(AES_256, writeDer(DER.bytes, new Uint8Array(16)));
  const der = sequence(
    named(PBES2, sequence(named(kdf, sequence(...parameters)), cipher)),
    writeDer(DER.bytes, new Uint8Array(64)),
  );
  return writePem({ label: "ENCRYPTED PRIVATE KEY", der });
}
const integer = (...bytes: readonly number[]): Uint8Array => writeDer(DER.integer, Uint8Array.from(bytes));
const scrypt = (...numbers: readonly number[]): string =>
  encryptedBy(SCRYPT, salt(8), ...numbers.map((n) => integer(n)));
/** HMAC by the last byte of its name, and parameters of so many bytes in place of none. */
const prf = (last: number, ...parameters: readonly number[]): Uint8Array =>
  writeDer(
    DER.sequence,
    writeDer(DER.oid, Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, last)),
    writeDer(DER.nothing, Uint8Array.from(parameters)),
  );
const salt = (size: number): Uint8Array => writeDer(DER.bytes, new Uint8Array(size));
const PBKDF2 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
const SCRYPT = [0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11];

describe("an encrypted key file that is wrong", () => {
  const changed = (change: Change): string => {
    const { label, der } = readPem(byNode("aes-256-cbc"));
    return writePem({ label, der: change(der) });
  };

  test.each<[string, string, string]>([
    ["another scheme", changed(from(PBES2, [...PBES2.slice(0, -1), 3])), "key-kind"],
    ["another cipher", changed(from(AES_256, [...AES_256.slice(0, -1), 22])), "key-kind"],
    ["another derivation", changed(from(PBKDF2, [...PBKDF2.slice(0, -1), 2])), "key-kind"],
    ["another hash", changed(from([0x0d, 2, 9], [0x0d, 2, 2])), "key-kind"],
    ["the last byte cut off", changed((der) => der.slice(0, -1)), "key-form"],
    ["a byte too many", changed((der) => new Uint8Array([...der, 0])), "key-form"],
    ["a first vector of 15 bytes", changed(from([0x04, 0x10], [0x04, 0x0f])), "key-form"],
    ["a length in a longer form than it needs", changed(from([0x04, 0x10], [0x04, 0x81, 0x10])), "key-form"],
    ["no bytes at all", writePem({ label: "ENCRYPTED PRIVATE KEY", der: Uint8Array.of(0x30, 0) }), "key-form"],
    ["no rounds", encryptedBy(PBKDF2, salt(8), integer(0)), "key-form"],
    ["a negative number of rounds", encryptedBy(PBKDF2, salt(8), integer(0x80)), "key-form"],
    ["2^31 - 1 rounds", encryptedBy(PBKDF2, salt(8), integer(0x7f, 255, 255, 255)), "key-form"],
    ["rounds beyond any number", encryptedBy(PBKDF2, salt(8), integer(1, 0, 0, 0, 0, 0, 0, 0, 0)), "key-form"],
    ["a key of another length", encryptedBy(PBKDF2, salt(8), integer(8), integer(16)), "key-form"],
    ["a salt of 65 bytes", encryptedBy(PBKDF2, salt(65), integer(8)), "key-form"],
    ["a salt of 64 bytes, but another's", encryptedBy(PBKDF2, salt(64), integer(1)), "key-password"],
    ["no salt, and another's", encryptedBy(PBKDF2, salt(0), integer(1)), "key-password"],
    ["its length told, and another's", encryptedBy(PBKDF2, salt(8), integer(1), integer(32)), "key-password"],
    ["a hash told, and another's", encryptedBy(PBKDF2, salt(8), integer(1), prf(9)), "key-password"],
    ["a hash with parameters", encryptedBy(PBKDF2, salt(8), integer(1), prf(9, 0)), "key-form"],
    ["a hash that nobody takes", encryptedBy(PBKDF2, salt(8), integer(1), prf(8)), "key-kind"],
    ["more behind its hash", encryptedBy(PBKDF2, salt(8), integer(1), prf(9), salt(1)), "key-form"],
    ["scrypt of 16 passes, and another's", scrypt(2, 1, 16), "key-password"],
    ["scrypt, its length told, and another's", scrypt(2, 1, 1, 32), "key-password"],
    ["scrypt for a key of another length", scrypt(2, 1, 1, 16), "key-form"],
    ["scrypt of one block", scrypt(1, 1, 1), "key-form"],
    ["scrypt of no blocks", scrypt(0, 1, 1), "key-form"],
    ["scrypt of blocks of nothing", scrypt(2, 0, 1), "key-form"],
    ["scrypt of no passes", scrypt(2, 1, 0), "key-form"],
    ["scrypt of three blocks", scrypt(3, 1, 1), "key-form"],
    ["scrypt of 2 GiB", encryptedBy(SCRYPT, salt(8), integer(1, 0, 0, 0), integer(1), integer(1)), "key-form"],
    ["scrypt of 2^37 bytes", encryptedBy(SCRYPT, salt(8), integer(64, 0), integer(1, 0, 0), integer(1)), "key-form"],
    ["scrypt of no power of two", encryptedBy(SCRYPT, salt(8), integer(64, 1), integer(8), integer(1)), "key-form"],
    ["scrypt of 17 passes", encryptedBy(SCRYPT, salt(8), integer(64, 0), integer(8), integer(17)), "key-form"],
    ["ciphertext of no whole blocks", changed((der) => cut(der)), "key-password"],
    ["ciphertext with a bit changed", changed((der) => der.map((b, i) => (i === der.length - 20 ? b ^ 1 : b))), ""],
  ])("is refused: %s", async (_, text, code) => {
    const expected = code === "" ? { name: "SignatureError" } : { name: "SignatureError", code };
    await expect(readPrivateKey(text, PASSWORD)).rejects.toMatchObject(expected);
  });
});

/** The file with a ciphertext that is shorter by a byte, its lengths set right. */
function cut(der: Uint8Array): Uint8Array {
  const out = der.slice(0, -1);
  // SEQUENCE 30 81/82, and OCTET STRING 04 81/82 near the end, both of one or two bytes of length.
  const sealed = Buffer.from(der).lastIndexOf(Buffer.of(0x04, 0x81));
  if (der[1] !== 0x81 || sealed < 0) throw new Error("another form of lengths");
  out[2] = (out[2] ?? 0) - 1;
  out[sealed + 2] = (out[sealed + 2] ?? 0) - 1;
  return out;
}
