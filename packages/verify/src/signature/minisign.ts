/**
 * Minisign signatures of the root statement: four lines, of which the last one signs the comment above it. Both forms are taken,
 * of the message itself (`Ed`) and of its BLAKE2b-512 (`ED`, the tool's default).
 */
import { blake2b } from "@noble/hashes/blake2.js";
import { concatBytes, equalBytes, toHex } from "@s7l/format";
import { fromBase64 } from "./base64.ts";
import { verifyEd25519 } from "./ed25519.ts";
import { refuse } from "./errors.ts";
import type { Ed25519Key } from "./public-key.ts";

export interface MinisignSignature {
  /** Of BLAKE2b-512 of the message. */
  readonly prehashed: boolean;
  /** The key's name, 8 bytes. */
  readonly id: Uint8Array;
  readonly signature: Uint8Array;
  /** Signed together with the signature. */
  readonly comment: string;
  readonly commentSignature: Uint8Array;
}

const FILE =
  /^untrusted comment: [^\r\n]{0,1024}\r?\n([A-Za-z0-9+/=]{100})\r?\ntrusted comment: ([^\r\n]{0,8192})\r?\n([A-Za-z0-9+/=]{88})\r?\n?$/;

/** How every minisign file begins. */
export const MINISIGN_MARK = "untrusted comment: ";

/** Reads a `.minisig` file. Throws SignatureError `signature-form`. */
export function parseMinisign(text: string): MinisignSignature {
  const match = FILE.exec(text);
  if (!match) return refuse("signature-form", "this is not a minisign signature of four lines");
  const [, first = "", comment = "", second = ""] = match;
  const bytes = fromBase64(first, "signature-form", "the minisign signature");
  const commentSignature = fromBase64(second, "signature-form", "the signature of the comment");
  const form = String.fromCharCode(bytes[0] ?? 0, bytes[1] ?? 0);
  if (form !== "Ed" && form !== "ED") refuse("signature-form", "the minisign signature is of an unknown kind");
  if (bytes.length !== 74 || commentSignature.length !== 64)
    refuse("signature-form", "the minisign signature has not the length of one");
  return {
    prehashed: form === "ED",
    id: bytes.slice(2, 10),
    signature: bytes.slice(10),
    comment,
    commentSignature,
  };
}

/** What is signed in place of the message. */
export function minisignMessage(message: Uint8Array, prehashed: boolean): Uint8Array {
  return prehashed ? blake2b(message, { dkLen: 64 }) : message;
}

/** What the last line signs. */
export function minisignComment(signature: Uint8Array, comment: string): Uint8Array {
  return concatBytes(signature, new TextEncoder().encode(comment));
}

/** Minisign's way of writing a key's name: as a little-endian number. */
export function minisignKeyName(id: Uint8Array): string {
  return toHex(id.toReversed()).toUpperCase();
}

/** Holds a signature to a message. Throws SignatureError `key-other` or `signature-wrong`. */
export function checkMinisign(given: MinisignSignature, key: Ed25519Key, message: Uint8Array): void {
  const { id, prehashed, signature, comment, commentSignature } = given;
  if (key.id && !equalBytes(key.id, id))
    refuse("key-other", `the signature is by key ${minisignKeyName(id)}, not ${minisignKeyName(key.id)}`);
  if (!verifyEd25519(key.point, minisignMessage(message, prehashed), signature))
    refuse(
      "signature-wrong",
      "the signature is not of this artifact's root and size (or not of this file), or not by this key",
    );
  if (!verifyEd25519(key.point, minisignComment(signature, comment), commentSignature))
    refuse("signature-wrong", "the trusted comment is not the one that was signed");
}
