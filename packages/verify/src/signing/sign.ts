/**
 * Signs an artifact: a model signing bundle by P-256, a minisign signature by Ed25519. Both are deterministic, so the same key
 * signs the same artifact by the same bytes.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { concatBytes, sha256, toHex } from "@s7l/format";
import { toBase64 } from "../signature/base64.ts";
import { BUNDLE_TYPE, PAYLOAD_TYPE, preAuthEncoding } from "../signature/bundle.ts";
import { refuse } from "../signature/errors.ts";
import { MINISIGN_MARK, minisignComment, minisignKeyName, minisignMessage } from "../signature/minisign.ts";
import { keyHint } from "../signature/public-key.ts";
import { rootLine, rootStatement, type SignedRoot } from "../signature/root-statement.ts";
import { PREDICATE_TYPE, ROOT_ANNOTATION, STATEMENT_TYPE } from "../signature/statement.ts";
import type { PrivateKey } from "./private-key.ts";

/** An artifact to sign: one that was verified. */
export interface Signable extends SignedRoot {
  /** Its file name: what the bundle calls the model. */
  readonly name: string;
  /** SHA-256 of all its bytes; asked for only by bundles, for the stock tool. */
  readonly digest: () => Promise<Uint8Array>;
}

export interface SignOptions {
  readonly key: PrivateKey;
  /** One line that minisign shows and vouches for; a bundle has no place for one. Default: the root statement. */
  readonly comment?: string;
}

/**
 * The signature file's bytes. Throws SignatureError `signature-form` for a comment of several lines, and `key-kind` for one with a P-256
 * key.
 */
export async function sign(artifact: Signable, { key, comment }: SignOptions): Promise<Uint8Array> {
  assertRoom(key, comment);
  const line = rootLine(artifact);
  const text =
    key.kind === "p256"
      ? signBundle({ name: artifact.name, digest: await artifact.digest() }, key, { [ROOT_ANNOTATION]: line })
      : signMinisign(rootStatement(artifact), comment ?? line, key);
  return new TextEncoder().encode(text);
}

/** A small file to sign as it is, such as a receipt. */
export interface SignableFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * The signature of a file's bytes, which stock tools check as they check any file's. Throws SignatureError `signature-form` for a comment of
 * several lines, and `key-kind` for one with a P-256 key.
 */
export function signFile({ name, bytes }: SignableFile, { key, comment }: SignOptions): Uint8Array {
  assertRoom(key, comment);
  const text =
    key.kind === "p256"
      ? signBundle({ name, digest: sha256(bytes) }, key)
      : signMinisign(bytes, comment ?? `sha256:${toHex(sha256(bytes))}`, key);
  return new TextEncoder().encode(text);
}

/** Nobody takes for signed what was dropped. */
function assertRoom({ kind }: PrivateKey, comment: string | undefined): void {
  if (kind === "p256" && comment !== undefined)
    refuse(
      "key-kind",
      "a P-256 key signs by a bundle, which has no place for a comment: leave it out, or take an Ed25519 key",
    );
}

function signBundle(
  { name, digest }: { readonly name: string; readonly digest: Uint8Array },
  key: PrivateKey & { kind: "p256" },
  annotations?: Readonly<Record<string, string>>,
): string {
  const statement = {
    _type: STATEMENT_TYPE,
    subject: [{ name, digest: { sha256: toHex(sha256(digest)) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      // "." is the stock tool's name for a model that is one file.
      resources: [
        {
          name: ".",
          digest: toHex(digest),
          algorithm: "sha256",
          annotations, // left out where there are none
        },
      ],
      serialization: { method: "files", hash_type: "sha256", allow_symlinks: false, ignore_paths: [] },
    },
  };
  const payload = new TextEncoder().encode(JSON.stringify(statement));
  const sig = p256.sign(preAuthEncoding(payload), key.secret, { prehash: true, format: "der" });
  const bundle = {
    mediaType: BUNDLE_TYPE,
    verificationMaterial: { publicKey: { hint: keyHint(key.public) }, tlogEntries: [] },
    dsseEnvelope: {
      payload: toBase64(payload),
      payloadType: PAYLOAD_TYPE,
      signatures: [{ sig: toBase64(sig), keyid: "" }],
    },
  };
  return `${JSON.stringify(bundle)}\n`;
}

function signMinisign(message: Uint8Array, comment: string, key: PrivateKey & { kind: "ed25519" }): string {
  if (/[\r\n]/.test(comment) || comment.length > 1024)
    refuse("signature-form", "a comment is one line of at most 1024 characters");
  const { id } = key.public;
  const signature = ed25519.sign(minisignMessage(message, true), key.secret);
  const head = concatBytes(Uint8Array.of(0x45, 0x44), id, signature);
  const whole = ed25519.sign(minisignComment(signature, comment), key.secret);
  return [
    `${MINISIGN_MARK}signature by key ${minisignKeyName(id)}`,
    toBase64(head),
    `trusted comment: ${comment}`,
    `${toBase64(whole)}\n`,
  ].join("\n");
}
