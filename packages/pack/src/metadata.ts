/**
 * The sections besides DATA and TREE, each as canonical bytes. Their sizes do not depend on a digest, so the same function
 * sizes them before a weight is read and fills them after.
 */
import {
  ABI,
  type Component,
  encodeCanonical,
  type GoldenPrompt,
  type Policy,
  type Provenance,
  SECTION_NAMES,
  SECTIONS,
  type SectionName,
  sha256,
  type TensorRecord,
  type Value,
  type WeightSource,
  writeGate,
} from "@s7l/format";
import { PackError } from "./errors.ts";

/** What the sections are made of. */
export interface Metadata {
  readonly weights: Pick<WeightSource, "fold" | "lexical" | "vocabulary" | "meta">;
  readonly policy: Policy;
  readonly golden: readonly GoldenPrompt[];
  readonly components: readonly Component[];
  readonly tensors: readonly TensorRecord[];
  readonly provenance: readonly Provenance[];
}

/** Sections by name, in type order; ROUTE only where there is a routing table. */
export function encodeMetadata(metadata: Metadata): ReadonlyMap<SectionName, Uint8Array> {
  const { fold, lexical, vocabulary, meta } = metadata.weights;
  const abi = encode("ABI", ABI);
  const policy = encode("POLICY", metadata.policy);
  const sections = new Map<SectionName, Uint8Array>([
    ["VOCAB", encode("VOCAB", vocabulary)],
    ["META", encode("META", meta)],
    ["POLICY", policy],
    ["STX", writeGate({ abiHash: sha256(abi), policyHash: sha256(policy) })],
    ...(lexical ? [["ROUTE", encode("ROUTE", lexical)] as const] : []),
    ["COMP", encode("COMP", metadata.components)],
    ["FOLD", encode("FOLD", fold)],
    ["ABI", abi],
    ["GOLDEN", encode("GOLDEN", metadata.golden)],
    ["PROV", encode("PROV", metadata.provenance)],
    ["TINDEX", encode("TINDEX", metadata.tensors)],
  ]);
  return new Map(
    SECTION_NAMES.flatMap((name) =>
      sections.has(name) ? [[name, sections.get(name) ?? new Uint8Array()] as const] : [],
    ),
  );
}

type MetadataSection = Exclude<SectionName, "STX" | "TREE" | "DATA">;

/** Parses by the section's own schema first: what would not be read is not written. */
function encode(name: MetadataSection, value: Value): Uint8Array {
  const { schema, limit } = SECTIONS[name];
  schema.parse(withoutUndefined(value), name);
  const bytes = encodeCanonical(withoutUndefined(value));
  if (bytes.length > limit) {
    throw new PackError("weights", `section ${name} would have ${bytes.length} bytes; ${limit} are allowed`, name);
  }
  return bytes;
}

/** Drops keys that are present but undefined, which TypeScript callers without exactOptionalPropertyTypes produce. */
function withoutUndefined(value: Value): Value {
  if (typeof value !== "object" || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(withoutUndefined);
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, withoutUndefined(item)]])),
  );
}
