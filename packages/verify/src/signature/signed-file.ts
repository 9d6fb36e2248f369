import { sha256 } from "@s7l/format";
import type { Signed } from "../authenticity.ts";
import { check, type Signature } from "./signed-by.ts";
import { checkFileDigest } from "./statement.ts";

/**
 * Who signed a small file, such as a receipt, as `signFile` or a stock tool does. Throws SignatureError for a signature that does not
 * hold or is of other bytes.
 */
export function checkSignedFile({ signature, key, name }: Signature, bytes: Uint8Array): Promise<Signed> {
  return check(signature, key, {
    message: () => bytes,
    judge: async (files) => checkFileDigest(files, name, sha256(bytes)),
  });
}
