/**
 * Base64 (RFC 4648 §4), one text a value: no white space, all padding, no bits beyond the bytes. A signature that could be
 * spelled in two ways would be two signatures to whoever compares files.
 */
import { refuse, type SignatureErrorCode } from "./errors.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The bytes of a text. Throws SignatureError `code` for any text that `toBase64` would not write. */
export function fromBase64(text: string, code: SignatureErrorCode, what: string): Uint8Array {
  const digits = text.replace(/={1,2}$/, "");
  const bytes = new Uint8Array(Math.floor((digits.length * 6) / 8));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const digit of digits) {
    const value = ALPHABET.indexOf(digit);
    if (value < 0) return refuse(code, `${what} is not Base64`);
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes[at++] = bits >> held;
    }
  }
  if (toBase64(bytes) !== text) refuse(code, `${what} is not the one Base64 text of its bytes`);
  return bytes;
}

/** The text of bytes. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const digits = Math.min(4, bytes.length - i + 1);
    for (let k = 0; k < 4; k++) text += k < digits ? ALPHABET[(group >> (18 - 6 * k)) & 63] : "=";
  }
  return text;
}
