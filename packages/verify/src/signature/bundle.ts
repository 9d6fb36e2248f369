/**
 * The envelope of an OpenSSF Model Signing v1.0 signature by key: a Sigstore bundle v0.3 around a DSSE envelope. Its fields are
 * all known and each is looked at, so that there is nothing in a bundle that could mean something to another reader.
 */
import { concatBytes } from "@s7l/format";
import { fromBase64 } from "./base64.ts";
import { refuse } from "./errors.ts";
import { verifyP256 } from "./p256.ts";
import { keyHint, type P256Key } from "./public-key.ts";
import { expectText, fieldsOf, itemsOf, parseJson, textOf } from "./strict-json.ts";

export const BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";
export const PAYLOAD_TYPE = "application/vnd.in-toto+json";

export interface Bundle {
  /** SHA-256 of the key's PEM text, in hexadecimal. */
  readonly hint: string;
  /** The in-toto statement, as it was signed. */
  readonly payload: Uint8Array;
  /** DER. */
  readonly signature: Uint8Array;
}

/** Reads a bundle. Throws SignatureError `signature-form`, `signature-count`, or `key-kind` where it is not by key. */
export function parseBundle(bytes: Uint8Array): Bundle {
  const form = "signature-form";
  const bundle = fieldsOf(parseJson(bytes, "bundle", form), ["mediaType", "verificationMaterial", "dsseEnvelope"], []);
  expectText(bundle.mediaType, BUNDLE_TYPE);
  const material = fieldsOf(
    bundle.verificationMaterial,
    [],
    ["publicKey", "tlogEntries", "timestampVerificationData", "certificate", "x509CertificateChain"],
  );
  if (!material.publicKey || material.certificate || material.x509CertificateChain)
    return refuse("key-kind", "the bundle is not signed by a plain key: give the signer's key, or the stock tool");
  if (material.tlogEntries && itemsOf(material.tlogEntries).length > 0)
    refuse(form, "the bundle has log entries, which a signature by key does not");
  if (material.timestampVerificationData) fieldsOf(material.timestampVerificationData, [], []);
  const { hint } = fieldsOf(material.publicKey, ["hint"], []);
  const envelope = fieldsOf(bundle.dsseEnvelope, ["payload", "payloadType", "signatures"], []);
  expectText(envelope.payloadType, PAYLOAD_TYPE);
  const signatures = itemsOf(envelope.signatures);
  const [only] = signatures;
  if (!only || signatures.length !== 1)
    return refuse("signature-count", `the bundle holds ${signatures.length} signatures, and not one`);
  const { sig, keyid } = fieldsOf(only, ["sig"], ["keyid"]);
  if (keyid && keyid.value !== null) textOf(keyid, /^$/);
  return {
    hint: textOf(hint, /^[0-9a-f]{64}$/),
    payload: fromBase64(textOf(envelope.payload), form, "the payload"),
    signature: fromBase64(textOf(sig), form, "the signature"),
  };
}

/** What DSSE signs (its protocol, version 1): the payload behind its type and both lengths. */
export function preAuthEncoding(payload: Uint8Array): Uint8Array {
  const head = `DSSEv1 ${PAYLOAD_TYPE.length} ${PAYLOAD_TYPE} ${payload.length} `;
  return concatBytes(new TextEncoder().encode(head), payload);
}

/** Holds a bundle to a key. Throws SignatureError `key-other` or `signature-wrong`. */
export function checkBundle({ hint, payload, signature }: Bundle, key: P256Key): void {
  const own = keyHint(key);
  if (hint !== own) refuse("key-other", `the bundle is by the key ${hint}, not ${own}`);
  if (!verifyP256(key.point, preAuthEncoding(payload), signature))
    refuse("signature-wrong", "the bundle's signature does not verify");
}
