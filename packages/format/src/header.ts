/**
 * The header: the first 256 bytes of an artifact, and the root that commits to all the rest.
 */
import { FormatError } from "./errors.ts";
import { fixedRecord, raw, u8, u16, u16be, u32, u64 } from "./fields.ts";
import { HASH_SIZE, sha256 } from "./hash.ts";
import { DOMAIN } from "./merkle.ts";

export const HEADER_SIZE = 256;
export const MAGIC = /* @__PURE__ */ new TextEncoder().encode("S7LM");
export const VERSION = 3;
/** Every section, and every part of a tensor, begins at a multiple of this (seed 001 §8). */
export const ALIGNMENT = 32;
export const HASH_SHA256 = 1;

/** What an artifact is: one model a token, or experts among which a router chooses. */
export const CLASS = { dense: 1, experts: 2 } as const;

/** Flag bits; all others are zero. SEALED is set in every artifact there is. */
export const FLAG = { int8: 0x01, experts: 0x04, sealed: 0x80 } as const;

/** Bytes of a chunk, as a power of two: 64 KiB to 16 MiB. */
export const CHUNK_LOG2 = { least: 16, most: 24, usual: 20 } as const;

const headerRecord = /* @__PURE__ */ fixedRecord("header", HEADER_SIZE, {
  magic: raw(0, 4),
  version: u16be(4),
  class: u8(6),
  flags: u8(7),
  fileSize: u64(8),
  headerSize: u16(16),
  hash: u8(18),
  chunkLog2: u8(19),
  alignment: u32(20),
  sectionCount: u32(24),
  tensorCount: u32(28),
  componentCount: u32(32),
  leafCount: u64(40),
  tableDigest: raw(48, HASH_SIZE),
  dataRoot: raw(80, HASH_SIZE),
  metaHash: raw(112, HASH_SIZE),
  root: raw(224, HASH_SIZE),
});

/** The header's fields, as they stand in the file: nothing about them is checked but that they fit 53 bits. */
export type Header = ReturnType<typeof headerRecord.read>;

/** Reads the fields of 256 bytes. Throws FormatError `header` for a u64 above 2^53 - 1. */
export function readHeader(bytes: Uint8Array): Header {
  return headerRecord.read(bytes);
}

/** Offset of the first reserved byte that is not zero, or -1. */
export function strayHeaderByte(bytes: Uint8Array): number {
  return headerRecord.strayByte(bytes);
}

const ROOT_AT = HEADER_SIZE - HASH_SIZE;
const ROOT_LABEL = /* @__PURE__ */ new TextEncoder().encode("s7l-v3-root\0");

/** R = H(06 ‖ "s7l-v3-root\0" ‖ header[0:224]). */
export function rootOfHeader(header: Uint8Array): Uint8Array {
  if (header.length !== HEADER_SIZE)
    throw new FormatError("header", `header has ${HEADER_SIZE} bytes, found ${header.length}`, "header");
  return sha256(DOMAIN.root, ROOT_LABEL, header.subarray(0, ROOT_AT));
}

/** Writes a header and computes its root; what is constant in version 3 is filled in. */
export function writeHeader(fields: Omit<Header, "magic" | "version" | "headerSize" | "hash" | "alignment" | "root">): {
  readonly bytes: Uint8Array;
  readonly root: Uint8Array;
} {
  const bytes = headerRecord.write({
    ...fields,
    magic: MAGIC,
    version: VERSION,
    headerSize: HEADER_SIZE,
    hash: HASH_SHA256,
    alignment: ALIGNMENT,
    root: new Uint8Array(HASH_SIZE),
  });
  const root = rootOfHeader(bytes);
  bytes.set(root, ROOT_AT);
  return { bytes, root };
}

/** Any fields at all, with a root that fits them: how the attack tests rebuild a header to the top. */
export function encodeHeader(header: Header): Uint8Array {
  return headerRecord.write(header);
}
