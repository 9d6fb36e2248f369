/**
 * The envelope: header, section table and small sections, each released only after its digest is proved to lie under the
 * root. Nothing is decoded here.
 */
import {
  type ByteSource,
  HEADER_SIZE,
  type Header,
  readHeader,
  readSectionTable,
  SECTION_ENTRY_SIZE,
  type SectionEntry,
  type SectionName,
} from "@s7l/format";
import { refuse } from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import { canonicalHeader, canonicalTable, zeroPadding } from "./rules/v0-canonical-order.ts";
import { knownHeader, requiredSections, sectionLimits } from "./rules/v1-fold-legality.ts";
import { gatePresent } from "./rules/v2-control-gate.ts";
import { knownSections } from "./rules/v4-projection-read-only.ts";
import { boundLanes } from "./rules/v5-lane-binding.ts";
import { rootRecomputes, sectionDigestMatches, tableDigestMatches } from "./rules/v6-replay.ts";
import { expectedRoot } from "./rules/v7-hash-binding.ts";

/** Sections that are read whole. TREE and DATA are read in slices, each proved by its own leaves. */
export type SmallSection = Exclude<SectionName, "TREE" | "DATA">;

/** What every later rule rests on. */
export interface Envelope {
  readonly header: Header;
  readonly table: ReadonlyMap<SectionName, SectionEntry>;
  readonly sections: ReadonlyMap<SmallSection, Uint8Array>;
}

/** The section's entry; a required one is there once the envelope is read. */
export function entryOf(envelope: Pick<Envelope, "table">, name: SectionName): SectionEntry {
  return envelope.table.get(name) ?? refuse("section-missing", `section ${name} is missing`, name);
}

/** The section's verified bytes. */
export function bytesOf(envelope: Envelope, name: SmallSection): Uint8Array {
  return envelope.sections.get(name) ?? refuse("section-missing", `section ${name} is missing`, name);
}

/** Reads the envelope; `pinned` is the root that the caller demands. */
export async function readEnvelope(
  source: ByteSource,
  pinned: Uint8Array | string | undefined,
  ledger: Ledger,
): Promise<Envelope> {
  const headerBytes = await ledger.checkAsync("V0", () => readFront(source, 0, HEADER_SIZE, "header"));
  const header = ledger.check("V1", () => knownHeader(headerBytes, () => readHeader(headerBytes)));
  ledger.check("V0", () => canonicalHeader(headerBytes, header, source.size));
  ledger.check("V6", () => rootRecomputes(headerBytes, header));
  ledger.noteRoot(header.root);
  ledger.check("V7", () => expectedRoot(header.root, pinned));

  const tableSize = header.sectionCount * SECTION_ENTRY_SIZE;
  const tableBytes = await ledger.checkAsync("V0", () => readFront(source, HEADER_SIZE, tableSize, "table"));
  ledger.check("V6", () => tableDigestMatches(tableBytes, header));
  const entries = ledger.check("V1", () => readSectionTable(tableBytes));
  const table = ledger.check("V4", () => knownSections(entries));
  ledger.check("V2", () => gatePresent(table));
  ledger.check("V1", () => requiredSections(table));
  ledger.check("V5", () => boundLanes(table));
  ledger.check("V1", () => sectionLimits(table, source.size));
  ledger.check("V0", () => canonicalTable(tableBytes, entries, table, header));

  const sections = new Map<SmallSection, Uint8Array>();
  let end = HEADER_SIZE + tableSize;
  for (const [name, entry] of table) {
    const whole = name !== "TREE" && name !== "DATA";
    const gap = entry.offset - end;
    const bytes = await source.read(end, gap + (whole ? entry.size : 0));
    ledger.check("V0", () => zeroPadding(bytes.subarray(0, gap), end));
    if (name !== "TREE" && name !== "DATA") {
      // A copy: the source may hand out memory that others can write to.
      const content = bytes.slice(gap);
      ledger.check("V6", () => sectionDigestMatches(name, entry, content));
      sections.set(name, content);
    }
    end = entry.offset + entry.size;
  }
  return { header, table, sections };
}

async function readFront(source: ByteSource, offset: number, length: number, what: string): Promise<Uint8Array> {
  if (offset + length > source.size)
    refuse("file-size", `the file has ${source.size} bytes; its ${what} ends at ${offset + length}`, what);
  return (await source.read(offset, length)).slice();
}
