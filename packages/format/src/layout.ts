/**
 * Where everything lies. All of it follows from the tensor plan, the chunk size and the sizes of the sections, so a writer
 * knows each offset before it reads a weight and a reader recomputes what a file claims.
 */

import { compareBytewise } from "./canonical-encode.ts";
import { FormatError } from "./errors.ts";
import type { PlannedTensor } from "./fold/tensor-plan.ts";
import { ALIGNMENT, HEADER_SIZE } from "./header.ts";
import { SECTION_ENTRY_SIZE } from "./section-table.ts";
import { SECTIONS, type SectionName } from "./sections.ts";
import { spanLayout } from "./span.ts";

/** The next multiple of 32; refuses what would pass 2^53 - 1. */
export function alignUp(size: number): number {
  const up = Math.ceil(size / ALIGNMENT) * ALIGNMENT;
  if (!Number.isSafeInteger(up)) throw new FormatError("layout", `${size} bytes pass 2^53 - 1`);
  return up;
}

/** A planned tensor and its place. */
export interface PlacedTensor extends PlannedTensor {
  /** From the start of DATA, bytes. */
  readonly offset: number;
  /** Bytes of the span. */
  readonly length: number;
  /** Index of its first leaf in TREE. */
  readonly firstLeaf: number;
  /** Its leaves: chunks never cross tensors, and the last one may be short. */
  readonly leaves: number;
  /** Index of its component in COMP. */
  readonly componentIndex: number;
}

export interface DataLayout {
  readonly tensors: readonly PlacedTensor[];
  /** Component names in the order of COMP: ascending by bytes, so `expert10` stands before `expert2`. */
  readonly components: readonly string[];
  /** Bytes of DATA. */
  readonly size: number;
  /** Leaves of all tensors. */
  readonly leaves: number;
}

/** Places the tensors of a plan one after another; spans are multiples of 32 already. */
export function placeTensors(plan: readonly PlannedTensor[], chunkLog2: number): DataLayout {
  const components = [...new Set(plan.map(({ component }) => component))].sort(compareBytewise);
  const indexes = new Map(components.map((name, index) => [name, index]));
  const chunk = 2 ** chunkLog2;
  let size = 0;
  let leaves = 0;
  const tensors = plan.map((tensor): PlacedTensor => {
    const { size: length } = spanLayout(tensor);
    const placed = {
      ...tensor,
      offset: size,
      length,
      firstLeaf: leaves,
      leaves: Math.ceil(length / chunk),
      componentIndex: indexes.get(tensor.component) ?? 0,
    };
    size = alignUp(size + length);
    leaves += placed.leaves;
    return placed;
  });
  return { tensors, components, size, leaves };
}

/** A section and its place in the file. */
export interface PlacedSection {
  readonly name: SectionName;
  readonly offset: number;
  readonly size: number;
}

/** Places sections in type order after the header and the table. `fileSize` is the end of the last one, rounded up. */
export function placeSections(sizes: ReadonlyMap<SectionName, number>): {
  readonly sections: readonly PlacedSection[];
  readonly fileSize: number;
} {
  const names = [...sizes.keys()].sort((a, b) => SECTIONS[a].type - SECTIONS[b].type);
  let end = HEADER_SIZE + names.length * SECTION_ENTRY_SIZE;
  const sections = names.map((name): PlacedSection => {
    const section = { name, offset: alignUp(end), size: sizes.get(name) ?? 0 };
    end = section.offset + section.size;
    return section;
  });
  return { sections, fileSize: alignUp(end) };
}
