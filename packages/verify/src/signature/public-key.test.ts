import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import { concatBytes } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { generateKey } from "../signing/private-key.ts";
import { toBase64 } from "./base64.ts";
import { readPem, writePem } from "./pem.ts";
import { keyHint, publicKeyPem, readPublicKey } from "./public-key.ts";

const edKey = generateKey("ed25519").public;
const p256Key = generateKey("p256").public;
const id = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
/** A key of minisign's, in Base64. */
const bare = (kind = "Ed", point = edKey.point): string =>
  toBase64(concatBytes(new TextEncoder().encode(kind), id, point));
const refused = (code: string) => expect.objectContaining({ name: "SignatureError", code });

describe("a public key", () => {
  test.each([
    ["with its comment", `untrusted comment: minisign public key\n${bare()}\n`],
    ["with an empty comment", `untrusted comment: \n${bare()}`],
    ["with the line ends of Windows", `untrusted comment: x\r\n${bare()}\r\n`],
    ["with empty lines behind it", `untrusted comment: x\n${bare()}\n \n`],
    ["alone on its line", bare()],
    ["alone, with space around it", `\n ${bare()} \r\n`],
  ])("of minisign is read %s", (_, text) => {
    expect(readPublicKey(text)).toEqual({ kind: "ed25519", point: edKey.point, id });
  });

  test.each<[string, string, string]>([
    ["of another kind", bare("Ee"), "key-kind"],
    ["of a kind with its other letter wrong", bare("Xd"), "key-kind"],
    ["with a letter too many", `${bare()}A`, "key-form"],
    ["with a letter too few", bare().slice(1), "key-form"],
    ["with a comment too long", `untrusted comment: ${"x".repeat(1025)}\n${bare()}`, "key-form"],
    ["with another line before it", `comment\n${bare()}`, "key-form"],
    ["with another key behind it", `untrusted comment: x\n${bare()}\n${bare()}`, "key-form"],
    ["of no honest point", bare("Ed", new Uint8Array(32)), "key-weak"],
  ])("of minisign is refused %s", (_, text, code) => {
    expect(() => readPublicKey(text)).toThrow(refused(code));
  });

  test.each(["ed25519", "p256"] as const)("in PEM is what node reads and writes, for %s", (kind) => {
    const key = kind === "p256" ? p256Key : edKey;
    const pem = publicKeyPem(key);
    expect(createPublicKey(pem).export({ type: "spki", format: "pem" })).toBe(pem);
    expect(readPublicKey(pem)).toEqual({ kind, point: key.point });
    expect(keyHint(key)).toBe(createHash("sha256").update(pem).digest("hex"));
  });

  const spki = (curve: string): string =>
    String(generateKeyPairSync("ec", { namedCurve: curve }).publicKey.export({ type: "spki", format: "pem" }));
  const withDer = (pem: string, change: (der: Uint8Array) => Uint8Array): string => {
    const { label, der } = readPem(pem);
    return writePem({ label, der: change(der) });
  };

  test.each<[string, string, string]>([
    ["under another label", writePem({ label: "CERTIFICATE", der: readPem(publicKeyPem(edKey)).der }), "key-form"],
    ["on secp256k1", spki("secp256k1"), "key-kind"],
    ["as X25519", withDer(publicKeyPem(edKey), (der) => der.map((byte, i) => (i === 8 ? 0x6e : byte))), "key-kind"],
    ["with a byte too few", withDer(publicKeyPem(p256Key), (der) => der.slice(0, -1)), "key-kind"],
    [
      "as a compressed point",
      withDer(publicKeyPem(p256Key), (der) => der.map((byte, i) => (i === 26 ? 2 : byte))),
      "key-weak",
    ],
    ["at infinity", withDer(publicKeyPem(p256Key), (der) => der.map((byte, i) => (i < 26 ? byte : 0))), "key-weak"],
    [
      "with a coordinate beyond the field",
      withDer(publicKeyPem(p256Key), (der) => der.map((byte, i) => (i > 26 && i < 59 ? 0xff : byte))),
      "key-weak",
    ],
  ])("in PEM is refused %s", (_, text, code) => {
    expect(() => readPublicKey(text)).toThrow(refused(code));
  });

  test("of P-256 may be any point of the curve", () => {
    const point = p256.Point.BASE.toBytes(false);
    expect(readPublicKey(publicKeyPem({ kind: "p256", point }))).toEqual({ kind: "p256", point });
  });
});
