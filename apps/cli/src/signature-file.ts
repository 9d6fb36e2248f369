/** Where the signature of an artifact lies: beside it, under its name. */
import { basename } from "node:path";
import type { CheckSignature } from "@s7l/verify";
import { type PublicKey, readPublicKey, signedBy } from "@s7l/verify/signature";
import { fetchSmallFile, needSmallFile, readSmallFile } from "./small-file.ts";
import { isAddress } from "./source.ts";

/** Ends of the names of signature files, by the kind of the key that makes them. */
export const SIGNATURE_ENDING = { p256: ".sig", ed25519: ".minisig" } as const;
/** End of the name of the file that a minisign signature is of. */
export const ROOT_ENDING = ".root";

/**
 * The check for the artifact at `place` with the public key in a file; undefined where there is no signature to check. The
 * signature is `given`, or lies beside the artifact. Throws CliError `io`, or SignatureError for a key that is none.
 */
export async function signatureCheck(
  place: string,
  {
    key: keyFile,
    given,
    signal,
  }: { readonly key: string; readonly given: string | undefined; readonly signal: AbortSignal },
): Promise<CheckSignature | undefined> {
  const key = readPublicKey(new TextDecoder().decode(await needSmallFile(keyFile)));
  const signature = given === undefined ? await signatureBeside(place, key, signal) : await needSmallFile(given);
  return signature && signedBy({ signature, key, name: nameOf(place) });
}

function signatureBeside(place: string, { kind }: PublicKey, signal: AbortSignal): Promise<Uint8Array | undefined> {
  if (!isAddress(place)) return readSmallFile(`${place}${SIGNATURE_ENDING[kind]}`);
  const url = new URL(place);
  url.pathname += SIGNATURE_ENDING[kind];
  return fetchSmallFile(url.href, signal);
}

function nameOf(place: string): string {
  return basename(isAddress(place) ? decodeURIComponent(new URL(place).pathname) : place);
}
