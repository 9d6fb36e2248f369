/** Where the signature of an artifact lies: beside it, under its name. */
import { basename } from "node:path";
import type { CheckSignature } from "@s7l/verify";
import { type PublicKey, readPublicKey, SignatureError, signedBy } from "@s7l/verify/signature";
import { refuseUsage } from "./errors.ts";
import { fetchSmallFile, needSmallFile, readSmallFile } from "./small-file.ts";
import { addressOf, isAddress, nameOf } from "./source.ts";

/** Ends of the names of signature files, by the kind of the key that makes them. */
const SIGNATURE_ENDING = { p256: ".sig", ed25519: ".minisig" } as const;
/** Where the signature of a file lies that such a key makes. */
export function signaturePlace(file: string, { kind }: Pick<PublicKey, "kind">): string {
  return `${file}${SIGNATURE_ENDING[kind]}`;
}

/** End of the name of the file that a minisign signature is of. */
export const ROOT_ENDING = ".root";

/**
 * The check for the artifact at `place` with the public key in a file. The signature is `given`, or lies beside the artifact; whoever names
 * a key wants one, so where there is none the check fails, and says where it would lie. Throws CliError `io`, or `usage` for what is no address, or SignatureError for a key
 * that is none.
 */
export async function signatureCheck(
  place: string,
  {
    key: keyFile,
    given,
    signal,
  }: { readonly key: string; readonly given: string | undefined; readonly signal: AbortSignal },
): Promise<CheckSignature> {
  const name = artifactName(place);
  const key = readPublicKey(new TextDecoder().decode(await needSmallFile(keyFile)));
  const signature = given === undefined ? await signatureBeside(place, key, signal) : await needSmallFile(given);
  if (signature) return signedBy({ signature, key, name });
  const message = `a signature is required, and ${nameOf(placeBeside(place, key))} is not there: --signature FILE names another`;
  return () => Promise.reject(new SignatureError("signature-missing", message));
}

function signatureBeside(place: string, key: PublicKey, signal: AbortSignal): Promise<Uint8Array | undefined> {
  const beside = placeBeside(place, key);
  return isAddress(beside) ? fetchSmallFile(addressOf(beside), signal) : readSmallFile(beside);
}

function placeBeside(place: string, key: PublicKey): string {
  if (!isAddress(place)) return signaturePlace(place, key);
  const url = addressOf(place);
  url.pathname = signaturePlace(url.pathname, key);
  return url.href;
}

/** What signatures call the artifact at `place`. Throws CliError `usage` for an address without a name. */
export function artifactName(place: string): string {
  if (!isAddress(place)) return basename(place);
  const name = basename(addressOf(place).pathname);
  try {
    return decodeURIComponent(name);
  } catch {
    return refuseUsage(`"${name}" in the address is no name: what stands after % is not UTF-8`);
  }
}
