/**
 * Private keys, from PEM (PKCS #8, or what `openssl ecparam` writes) or minisign's file. As with public keys, an encoding of a
 * known kind is compared and not parsed; and a key whose two halves do not belong together is refused.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { concatBytes, equalBytes, sha256 } from "@s7l/format";
import { refuse } from "../signature/errors.ts";
import { type Pem, readPem, writePem } from "../signature/pem.ts";
import type { Ed25519Key, P256Key } from "../signature/public-key.ts";
import { decryptKey, ENCRYPTED_LABEL, encryptKey } from "./encrypted-pem.ts";
import { isMinisignSecret, readMinisignSecret } from "./minisign-secret.ts";

/** A key that signs. `secret` is 32 bytes: the scalar of P-256, the seed of Ed25519. */
export type PrivateKey =
  | { readonly kind: "p256"; readonly secret: Uint8Array; readonly public: P256Key }
  | {
      readonly kind: "ed25519";
      readonly secret: Uint8Array;
      readonly public: Ed25519Key & { readonly id: Uint8Array };
    };

const PLAIN_LABEL = "PRIVATE KEY";

const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** The ways to write a private key: `head ‖ secret ‖ middle ‖ public point`, the latter two where there is a middle. */
const FORMS: readonly {
  readonly label: string;
  readonly kind: "p256" | "ed25519";
  readonly head: Uint8Array;
  readonly middle?: Uint8Array;
}[] = [
  {
    label: PLAIN_LABEL,
    kind: "p256",
    head: hex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420"),
    middle: hex("a144034200"),
  },
  {
    label: PLAIN_LABEL,
    kind: "p256",
    head: hex("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420"),
  },
  {
    label: "EC PRIVATE KEY",
    kind: "p256",
    head: hex("30770201010420"),
    middle: hex("a00a06082a8648ce3d030107a144034200"),
  },
  { label: PLAIN_LABEL, kind: "ed25519", head: hex("302e020100300506032b657004220420") },
];

/** A key from its secret half. `id` names an Ed25519 key in minisign files; by default it follows from the key. */
export function privateKey(kind: PrivateKey["kind"], secret: Uint8Array, id?: Uint8Array): PrivateKey {
  try {
    if (kind === "p256") return { kind, secret, public: { kind, point: p256.getPublicKey(secret, false) } };
    const point = ed25519.getPublicKey(secret);
    return { kind, secret, public: { kind, point, id: id ?? sha256(point).slice(0, 8) } };
  } catch (cause) {
    return refuse("key-form", "the private key is not one of its curve", cause);
  }
}

/**
 * Reads a private key file; `password` is for one that is encrypted. Throws SignatureError `key-form`, `key-kind` or
 * `key-password`.
 */
export async function readPrivateKey(text: string, password?: string): Promise<PrivateKey> {
  if (isMinisignSecret(text)) {
    const { seed, id } = readMinisignSecret(text, password);
    return privateKey("ed25519", seed, id);
  }
  const pem = readPem(text);
  return pem.label === ENCRYPTED_LABEL
    ? keyOf({ label: PLAIN_LABEL, der: await decryptKey(pem.der, password) })
    : keyOf(pem);
}

function keyOf({ label, der }: Pem): PrivateKey {
  for (const { label: expected, kind, head, middle } of FORMS) {
    const length = head.length + 32 + (middle ? middle.length + 65 : 0);
    if (label !== expected || der.length !== length || !equalBytes(der.subarray(0, head.length), head)) continue;
    const key = privateKey(kind, der.slice(head.length, head.length + 32));
    const rest = middle ? concatBytes(middle, key.public.point) : new Uint8Array(0);
    if (!equalBytes(der.subarray(head.length + 32), rest))
      refuse("key-form", "the private key and the public key beside it do not belong together");
    return key;
  }
  return refuse("key-kind", "the private key is neither P-256 nor Ed25519 in a usual encoding");
}

/** PKCS #8 as PEM, encrypted (PBES2): what openssl reads with the same password. */
export async function encryptedKeyPem(key: PrivateKey, password: string): Promise<string> {
  return writePem({ label: ENCRYPTED_LABEL, der: await encryptKey(readPem(privateKeyPem(key)).der, password) });
}

/** PKCS #8 as PEM, not encrypted. */
export function privateKeyPem({ kind, secret, public: { point } }: PrivateKey): string {
  const form = FORMS.find((candidate) => candidate.kind === kind);
  if (!form) return refuse("key-kind", `there is no PEM form of a ${kind} key`);
  const { label, head, middle } = form;
  return writePem({ label, der: concatBytes(head, secret, ...(middle ? [middle, point] : [])) });
}

/** A new key, from the host's random bytes. */
export function generateKey(kind: PrivateKey["kind"]): PrivateKey {
  const secret = kind === "p256" ? p256.utils.randomSecretKey() : ed25519.utils.randomSecretKey();
  return privateKey(kind, secret, globalThis.crypto.getRandomValues(new Uint8Array(8)));
}
