/** Receipts as files, with the signature beside them. */
import { basename } from "node:path";
import { FormatError } from "@s7l/format";
import { writeFileWhole } from "@s7l/format/file";
import { encodeReceipt, MAX_RECEIPT_BYTES, parseReceipt, type Receipt } from "@s7l/runtime";
import type { Signed } from "@s7l/verify";
import { checkSignedFile, readPublicKey, SignatureError } from "@s7l/verify/signature";
import { type PrivateKey, signFile } from "@s7l/verify/signing";
import { signaturePlace } from "./signature-file.ts";
import { needSmallFile, readSmallFile } from "./small-file.ts";

/** The files that {@link writeReceipt} writes, in their order. */
export function receiptPlaces(place: string | undefined, key: PrivateKey | undefined): readonly string[] {
  if (place === undefined) return [];
  return key ? [signaturePlace(place, key), place] : [place];
}

/** Writes a receipt, and its signature first, so that no receipt lies there that should have one and has none. */
export async function writeReceipt(place: string, receipt: Receipt, key: PrivateKey | undefined): Promise<void> {
  const bytes = encodeReceipt(receipt);
  if (key) await writeFileWhole(signaturePlace(place, key), signFile({ name: basename(place), bytes }, { key }));
  await writeFileWhole(place, bytes);
}

/** A receipt of these bytes. Throws FormatError, which names the file, for what is none. */
export function receiptOf(place: string, bytes: Uint8Array): Receipt {
  try {
    return parseReceipt(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const { code, message, at } = error;
    const sentence = `${place} is refused: ${message}; replay takes what run --receipt wrote`;
    throw new FormatError(code, sentence, at, { cause: error });
  }
}

/** A receipt's bytes. Throws CliError `io`. */
export function readReceiptFile(place: string): Promise<Uint8Array> {
  return needSmallFile(place, MAX_RECEIPT_BYTES);
}

/**
 * Who signed a receipt. Whoever names a key wants a signature, so that none was found does not pass. Throws SignatureError, or
 * CliError `io`.
 */
export async function receiptSigner(
  place: string,
  bytes: Uint8Array,
  { key: keyFile, signature: given }: { readonly key: string; readonly signature: string | undefined },
): Promise<Signed> {
  const key = readPublicKey(new TextDecoder().decode(await needSmallFile(keyFile)));
  const beside = signaturePlace(place, key);
  const signature = given === undefined ? await readSmallFile(beside) : await needSmallFile(given);
  if (!signature)
    throw new SignatureError("signature-missing", `a signature of the receipt is required, and ${beside} is not there`);
  return checkSignedFile({ signature, key, name: basename(place) }, bytes);
}
