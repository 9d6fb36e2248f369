/**
 * PEM (RFC 7468): one block, of a label that is expected. What its bytes mean is for `public-key.ts` and the signing side.
 */
import { fromBase64, toBase64 } from "./base64.ts";
import { refuse } from "./errors.ts";

/** No key file is longer. */
const LONGEST = 1 << 14;

export interface Pem {
  readonly label: string;
  readonly der: Uint8Array;
}

/** Reads the only block of a text. Throws SignatureError `key-form`. */
export function readPem(text: string): Pem {
  const match = /^-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n([A-Za-z0-9+/=\r\n]+)\r?\n-----END \1-----\s*$/.exec(text);
  if (text.length > LONGEST || !match) return refuse("key-form", "the key file does not hold one PEM block");
  const [, label = "", body = ""] = match;
  return { label, der: fromBase64(body.replace(/\r?\n|\r$/g, ""), "key-form", "the key's PEM block") };
}

/** Writes a block, 64 characters a line. */
export function writePem({ label, der }: Pem): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
