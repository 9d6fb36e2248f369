/** The key that signs, from the file that `--key` or `--sign` names. */
import { readPublicKey, SignatureError } from "@s7l/verify/signature";
import { type PrivateKey, readPrivateKey } from "@s7l/verify/signing";
import { readPassword } from "./password.ts";
import { needSmallFile } from "./small-file.ts";

/** Reads it. Throws CliError `io` or `usage`, or SignatureError, which says so where the file holds the public half. */
export async function readSigningKey(file: string, passwordFile: string | undefined): Promise<PrivateKey> {
  const text = new TextDecoder().decode(await needSmallFile(file));
  const password = await readPassword(passwordFile);
  try {
    return await readPrivateKey(text, password);
  } catch (error) {
    if (!isPublicKey(text)) throw error;
    throw new SignatureError(
      "key-kind",
      `${file} is a public key, which verifies: sign with the private key that it belongs to`,
      file,
      {
        cause: error,
      },
    );
  }
}

function isPublicKey(text: string): boolean {
  try {
    readPublicKey(text);
    return true;
  } catch {
    return false;
  }
}
