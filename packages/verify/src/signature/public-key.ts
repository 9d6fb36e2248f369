/**
 * Public keys, from PEM (SubjectPublicKeyInfo) or from minisign's own file. A key of a known kind has one DER encoding, so its
 * head is compared and not parsed.
 */
import { concatBytes, equalBytes, sha256, toHex } from "@s7l/format";
import { fromBase64 } from "./base64.ts";
import { assertEd25519Key } from "./ed25519.ts";
import { refuse } from "./errors.ts";
import { assertP256Key } from "./p256.ts";
import { readPem, writePem } from "./pem.ts";

export interface P256Key {
  readonly kind: "p256";
  /** 04 ‖ x ‖ y. */
  readonly point: Uint8Array;
}

export interface Ed25519Key {
  readonly kind: "ed25519";
  readonly point: Uint8Array;
  /** Minisign's name of the key, 8 bytes; absent where the key came from PEM, which has none. */
  readonly id?: Uint8Array;
}

/** A key that was checked: a point on its curve, of prime order. */
export type PublicKey = P256Key | Ed25519Key;

const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING } up to the point. */
const P256_HEAD = /* @__PURE__ */ hex("3059301306072a8648ce3d020106082a8648ce3d030107034200");
/** SEQUENCE { SEQUENCE { id-Ed25519 }, BIT STRING } up to the point (RFC 8410). */
const ED25519_HEAD = /* @__PURE__ */ hex("302a300506032b6570032100");

const MINISIGN = /^untrusted comment: [^\r\n]{0,1024}\r?\n([A-Za-z0-9+/=]{56})\s*$/;

/** Reads a public key file. Throws SignatureError `key-form`, `key-kind` or `key-weak`. */
export function readPublicKey(text: string): PublicKey {
  const minisign = MINISIGN.exec(text)?.[1] ?? /^[A-Za-z0-9+/=]{56}$/.exec(text.trim())?.[0];
  if (minisign !== undefined) return readMinisignKey(minisign);
  const { label, der } = readPem(text);
  if (label !== "PUBLIC KEY") refuse("key-form", `the key file holds "${label}" and not a public key`);
  const pointAfter = (head: Uint8Array, length: number): Uint8Array | undefined =>
    der.length === head.length + length && equalBytes(der.subarray(0, head.length), head)
      ? der.slice(head.length)
      : undefined;
  const p256 = pointAfter(P256_HEAD, 65);
  if (p256) {
    assertP256Key(p256);
    return { kind: "p256", point: p256 };
  }
  const ed25519 = pointAfter(ED25519_HEAD, 32);
  if (!ed25519) return refuse("key-kind", "the public key is neither P-256 nor Ed25519 in its usual encoding");
  assertEd25519Key(ed25519);
  return { kind: "ed25519", point: ed25519 };
}

function readMinisignKey(text: string): PublicKey {
  const bytes = fromBase64(text, "key-form", "the minisign key");
  if (bytes[0] !== 0x45 || bytes[1] !== 0x64) refuse("key-kind", "the minisign key is not of the kind Ed");
  const point = bytes.slice(10);
  assertEd25519Key(point);
  return { kind: "ed25519", point, id: bytes.slice(2, 10) };
}

/** SubjectPublicKeyInfo as PEM. */
export function publicKeyPem({ kind, point }: PublicKey): string {
  return writePem({ label: "PUBLIC KEY", der: concatBytes(kind === "p256" ? P256_HEAD : ED25519_HEAD, point) });
}

/** How a bundle names a key: SHA-256 of its PEM text, in hexadecimal. */
export function keyHint(key: PublicKey): string {
  return toHex(sha256(new TextEncoder().encode(publicKeyPem(key))));
}
