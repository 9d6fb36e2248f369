/**
 * `Content-Range: bytes first-last/size` (RFC 9110 §14.4), read strictly: a server that says `*` for the size, or another
 * unit, gives nothing that a reader could check.
 */

export interface ContentRange {
  readonly first: number;
  readonly last: number;
  /** Bytes of the whole file. */
  readonly size: number;
}

/** The range of a header, or undefined where it is none. */
export function parseContentRange(header: string): ContentRange | undefined {
  const match = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(header);
  if (!match) return undefined;
  const [first, last, size] = match.slice(1).map(Number);
  if (first === undefined || last === undefined || size === undefined) return undefined;
  const valid = first <= last && last < size && Number.isSafeInteger(size);
  return valid ? { first, last, size } : undefined;
}

/** Whether an entity tag is a strong one: `"…"`, without `W/` (RFC 9110 §8.8.3). */
export function isStrongTag(tag: string): boolean {
  return /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(tag);
}
