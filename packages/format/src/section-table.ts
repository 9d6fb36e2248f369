/**
 * The section table: 64 bytes a section, from byte 256, types strictly ascending.
 */

import { FormatError } from "./errors.ts";
import { fixedRecord, raw, u8, u16, u64 } from "./fields.ts";
import { concatBytes, createSha256, HASH_SIZE, type Sha256, sha256 } from "./hash.ts";
import { DOMAIN } from "./merkle.ts";

export const SECTION_ENTRY_SIZE = 64;

const entryRecord = /* @__PURE__ */ fixedRecord("section", SECTION_ENTRY_SIZE, {
  type: u16(0),
  lane: u8(2),
  offset: u64(8),
  size: u64(16),
  /** H(04 ‖ type ‖ lane ‖ size ‖ bytes); D for DATA. */
  digest: raw(32, HASH_SIZE),
});

/** One entry, as it stands in the file. */
export type SectionEntry = ReturnType<typeof entryRecord.read>;

/** Reads a table of whole entries. Throws FormatError `header` for a u64 above 2^53 - 1 or a torn entry. */
export function readSectionTable(bytes: Uint8Array): readonly SectionEntry[] {
  if (bytes.length % SECTION_ENTRY_SIZE !== 0)
    throw new FormatError("header", `a section table of ${bytes.length} bytes`, "table");
  return Array.from({ length: bytes.length / SECTION_ENTRY_SIZE }, (_, i) =>
    entryRecord.read(bytes.subarray(i * SECTION_ENTRY_SIZE, (i + 1) * SECTION_ENTRY_SIZE)),
  );
}

/** Index of the first entry with a reserved byte that is not zero, or -1. */
export function strayTableEntry(bytes: Uint8Array): number {
  const count = Math.floor(bytes.length / SECTION_ENTRY_SIZE);
  for (let i = 0; i < count; i++) {
    if (entryRecord.strayByte(bytes.subarray(i * SECTION_ENTRY_SIZE, (i + 1) * SECTION_ENTRY_SIZE)) >= 0) return i;
  }
  return -1;
}

/** The table's bytes. */
export function writeSectionTable(entries: readonly SectionEntry[]): Uint8Array {
  return concatBytes(...entries.map(entryRecord.write));
}

/** H(05 ‖ count as u32 ‖ table). */
export function tableDigest(table: Uint8Array): Uint8Array {
  const count = new Uint8Array(4);
  new DataView(count.buffer).setUint32(0, table.length / SECTION_ENTRY_SIZE, true);
  return sha256(DOMAIN.table, count, table);
}

/**
 * A running section digest, H(04 ‖ type u16 ‖ lane u8 ‖ size u64 ‖ bytes). Type, lane and size are inside, so a section
 * cannot be offered as another one (V5 rests on this).
 */
export function startSectionDigest(section: {
  readonly type: number;
  readonly lane: number;
  readonly size: number;
}): Sha256 {
  const head = new Uint8Array(11);
  const view = new DataView(head.buffer);
  view.setUint16(0, section.type, true);
  view.setUint8(2, section.lane);
  view.setBigUint64(3, BigInt(section.size), true);
  const hash = createSha256();
  hash.update(DOMAIN.section);
  hash.update(head);
  return hash;
}

/** The digest of a section whose bytes are at hand. */
export function sectionDigest(
  section: { readonly type: number; readonly lane: number },
  bytes: Uint8Array,
): Uint8Array {
  const hash = startSectionDigest({ ...section, size: bytes.length });
  hash.update(bytes);
  return hash.digest();
}
