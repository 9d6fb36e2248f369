import { toHex } from "@s7l/format";

/** What a signature is about. */
export interface SignedRoot {
  /** R. */
  readonly root: Uint8Array;
  /** Bytes of the artifact. */
  readonly size: number;
}

/** The line that stands for an artifact: `s7l-v3 sha256:<R> size:<n>`, without its line feed. */
export function rootLine({ root, size }: SignedRoot): string {
  return `s7l-v3 sha256:${toHex(root)} size:${size}`;
}

/** The file that a minisign signature is of: the line and a line feed. */
export function rootStatement(sealed: SignedRoot): Uint8Array {
  return new TextEncoder().encode(`${rootLine(sealed)}\n`);
}
