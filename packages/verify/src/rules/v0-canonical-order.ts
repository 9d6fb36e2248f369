/**
 * V0, canonical order: an artifact has one possible encoding. Sections and tensors lie where the layout puts them, metadata
 * is canonical, names ascend, padding is zero, nothing follows the end.
 */
import {
  type DataLayout,
  decodeCanonical,
  type Header,
  placeSections,
  type SectionEntry,
  type SectionName,
  strayHeaderByte,
  strayTableEntry,
  type TensorRecord,
  type Value,
} from "@s7l/format";
import type { Envelope, SmallSection } from "../envelope.ts";
import { refuse } from "../errors.ts";

/** The header claims the file's own size, and its reserved bytes are zero. */
export function canonicalHeader(bytes: Uint8Array, header: Header, size: number): void {
  if (header.fileSize !== size) {
    const how = size < header.fileSize ? "it was cut short" : "something was appended";
    refuse("file-size", `the file has ${size} bytes and its header says ${header.fileSize}: ${how}`, "header.fileSize");
  }
  const stray = strayHeaderByte(bytes);
  if (stray >= 0) refuse("reserved-byte", `reserved byte ${stray} of the header is not zero`, `header+${stray}`);
}

/** Types ascend strictly, and each section lies where those before it leave it. */
export function canonicalTable(
  bytes: Uint8Array,
  entries: readonly SectionEntry[],
  table: ReadonlyMap<SectionName, SectionEntry>,
  header: Header,
): void {
  for (const [i, entry] of entries.entries()) {
    const before = entries[i - 1];
    if (before && before.type >= entry.type) {
      refuse(
        "section-order",
        `section ${i} has type ${entry.type}, which does not ascend from ${before.type}`,
        `table[${i}]`,
      );
    }
  }
  const stray = strayTableEntry(bytes);
  if (stray >= 0) refuse("reserved-byte", `a reserved byte of section ${stray} is not zero`, `table[${stray}]`);
  const { sections, fileSize } = placeSections(new Map([...table].map(([name, { size }]) => [name, size])));
  for (const [i, { name, offset }] of sections.entries()) {
    const found = entries[i]?.offset;
    if (found !== offset) refuse("section-place", `section ${name} lies at ${found}; its place is ${offset}`, name);
  }
  if (fileSize !== header.fileSize) {
    refuse("section-place", `the sections end at ${fileSize}, the file at ${header.fileSize}`, "DATA");
  }
}

/** The bytes between two sections are zero. */
export function zeroPadding(bytes: Uint8Array, offset: number): void {
  const stray = bytes.findIndex((byte) => byte !== 0);
  if (stray >= 0) refuse("padding", `padding byte ${offset + stray} is not zero`, `byte ${offset + stray}`);
}

/** Every metadata section but the gate, decoded from its one encoding. */
export function canonicalMetadata({ sections }: Envelope): ReadonlyMap<SmallSection, Value> {
  const values = new Map<SmallSection, Value>();
  for (const [name, bytes] of sections) if (name !== "STX") values.set(name, decodeCanonical(bytes, name));
  return values;
}

/** Names ascend strictly by bytes, so that none is there twice. */
export function ascendingNames(tensors: readonly TensorRecord[]): void {
  for (const [i, { name }] of tensors.entries()) {
    const before = tensors[i - 1];
    // Names are ASCII, whose order by UTF-16 units is its order by bytes.
    if (before && before.name >= name) {
      refuse("tensor-order", `tensor "${name}" stands after "${before.name}", which is not ascending by bytes`, name);
    }
  }
}

/** Offsets and lengths are the recomputed ones: no gap, no overlap, no shared range. */
export function canonicalPlaces(tensors: readonly TensorRecord[], layout: DataLayout): void {
  for (const [i, { name, offset, length }] of layout.tensors.entries()) {
    const found = tensors[i];
    if (found?.offset !== offset)
      refuse("tensor-place", `tensor "${name}" claims offset ${found?.offset}; its place is ${offset}`, name);
    if (found.length !== length)
      refuse("tensor-place", `tensor "${name}" claims ${found.length} bytes; its shape gives ${length}`, name);
  }
}
