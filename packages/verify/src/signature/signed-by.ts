import type { CheckSignature, Signed } from "../authenticity.ts";
import { checkBundle, parseBundle } from "./bundle.ts";
import { refuse } from "./errors.ts";
import { checkMinisign, MINISIGN_MARK, minisignKeyName, parseMinisign } from "./minisign.ts";
import { keyHint, type PublicKey } from "./public-key.ts";
import { rootStatement } from "./root-statement.ts";
import { checkStatement, parseStatement, type Resource } from "./statement.ts";

/** No signature file is longer. */
const LONGEST = 1 << 20;

export interface Signature {
  /** The signature file: an OpenSSF Model Signing bundle or a minisign signature. */
  readonly signature: Uint8Array;
  /** The signer's key, from `readPublicKey`. */
  readonly key: PublicKey;
  /** The artifact's file name, for bundles that sign a folder. */
  readonly name?: string;
}

/**
 * A check to give to `verify` or `openVerified` as `signature`. It throws SignatureError for a signature that does not hold,
 * of another artifact, or in any form but the one that its signer would write.
 */
export function signedBy({ signature, key, name }: Signature): CheckSignature {
  return (sealed) =>
    check(signature, key, {
      message: () => rootStatement(sealed),
      judge: (files) => checkStatement(files, { ...sealed, name }),
    });
}

/** What a signature has to be of, by either kind. */
export interface Subject {
  /** What minisign signs. */
  readonly message: () => Uint8Array;
  /** Holds the files that a bundle signs to it. */
  readonly judge: (files: readonly Resource[]) => Promise<void>;
}

/** Holds a signature in whichever form to its subject. */
export async function check(signature: Uint8Array, key: PublicKey, subject: Subject): Promise<Signed> {
  if (signature.length > LONGEST) refuse("signature-form", `the signature file has ${signature.length} bytes`);
  if (startsWith(signature, MINISIGN_MARK)) return checkMinisignFile(signature, key, subject.message());
  if (startsWith(signature, "{")) return checkBundleFile(signature, key, subject.judge);
  return refuse("signature-form", "the signature file is neither a model signing bundle nor minisign's");
}

function checkMinisignFile(file: Uint8Array, key: PublicKey, message: Uint8Array): Signed {
  if (key.kind !== "ed25519") return refuse("key-kind", "the signature is by minisign, and needs an Ed25519 key");
  const given = parseMinisign(textOf(file));
  checkMinisign(given, key, message);
  // Without an id of the key's own the file's is anybody's: nothing signs it.
  return { kind: "minisign", key: key.id ? minisignKeyName(key.id) : keyHint(key), comment: given.comment };
}

async function checkBundleFile(file: Uint8Array, key: PublicKey, judge: Subject["judge"]): Promise<Signed> {
  if (key.kind !== "p256") return refuse("key-kind", "the signature is a model signing bundle, and needs a P-256 key");
  const bundle = parseBundle(file);
  checkBundle(bundle, key);
  // Read only now: what nobody signed is not worth a look.
  await judge(parseStatement(bundle.payload));
  return { kind: "oms", key: keyHint(key) };
}

function startsWith(bytes: Uint8Array, mark: string): boolean {
  return mark.split("").every((character, i) => bytes[i] === character.charCodeAt(0));
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    return refuse("signature-form", "the signature file is not text", cause);
  }
}
