/**
 * As much of DER (X.690) as an encrypted key needs: one encoding a value, lengths below 2^16, nothing left over.
 */
import { refuse } from "../signature/errors.ts";

export const DER = { integer: 0x02, bytes: 0x04, nothing: 0x05, oid: 0x06, sequence: 0x30 } as const;
type Tag = (typeof DER)[keyof typeof DER];

/** Reads values one after another. Every fault is SignatureError `key-form`. */
export interface DerReader {
  /** Whether a value of this tag comes next. */
  has(tag: Tag): boolean;
  /** The content of the next value, which must be of this tag. */
  take(tag: Tag): Uint8Array<ArrayBuffer>;
  /** The values inside of the next one, a sequence; `read` must use them up. */
  inside<T>(read: (values: DerReader) => T): T;
  /** A positive integer below 2^31. */
  integer(): number;
}

/** Reads bytes that are whole values; `read` must use them up. */
export function readDer<T>(bytes: Uint8Array, read: (values: DerReader) => T): T {
  let at = 0;
  const torn = (): never => refuse("key-form", "the key file is not DER");
  const take = (tag: Tag): Uint8Array<ArrayBuffer> => {
    const first = bytes[at + 1] ?? torn();
    // 0x81 and 0x82 are lengths of one and two bytes; each only where a shorter form will not do.
    const extra = first < 0x80 ? 0 : first === 0x81 ? 1 : first === 0x82 ? 2 : torn();
    let length = extra === 0 ? first : 0;
    for (let i = 0; i < extra; i++) length = length * 256 + (bytes[at + 2 + i] ?? torn());
    const from = at + 2 + extra;
    if (bytes[at] !== tag || (extra > 0 && length < (extra === 1 ? 0x80 : 0x100)) || from + length > bytes.length)
      torn();
    at = from + length;
    return bytes.slice(from, at);
  };
  const value = read({
    has: (tag) => bytes[at] === tag,
    take,
    inside: (inner) => readDer(take(DER.sequence), inner),
    integer: () => {
      const content = take(DER.integer);
      const [first = 0x80, second = 0x80] = content;
      if (first >= 0x80 || (first === 0 && second < 0x80) || content.length > 4) torn();
      return content.reduce((sum, byte) => sum * 256 + byte, 0);
    },
  });
  if (at !== bytes.length) torn();
  return value;
}

/** Writes one value. */
export function writeDer(tag: Tag, ...content: readonly Uint8Array[]): Uint8Array {
  const length = content.reduce((sum, { length }) => sum + length, 0);
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 255];
  const whole = new Uint8Array(head.length + length);
  whole.set(head);
  let at = head.length;
  for (const part of content) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
