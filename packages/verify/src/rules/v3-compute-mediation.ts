/**
 * V3, compute mediation: every sub-root recomputes, and each tensor has a record of its method and source.
 */
import {
  type Component,
  componentsOf,
  componentsSchema,
  type DataLayout,
  dataRoot,
  equalBytes,
  METHODS,
  type Provenance,
  provenanceListSchema,
  type Value,
} from "@s7l/format";
import { type Envelope, entryOf } from "../envelope.ts";
import { refuse } from "../errors.ts";
import type { Program } from "./v1-fold-legality.ts";

/** Components are the fold's, each tensor is in its own one, and C and D recompute from the records. */
export function recomputedComponents(
  envelope: Envelope,
  value: Value,
  { tensors, layout }: Program,
): readonly Component[] {
  const components = componentsSchema.parse(value, "COMP");
  for (const [i, name] of layout.components.entries()) {
    if (components[i]?.name !== name)
      refuse("component", `component ${i} is "${components[i]?.name}"; the fold says "${name}"`, `COMP[${i}]`);
  }
  if (components.length !== layout.components.length) {
    refuse("component", `${components.length} components; the fold has ${layout.components.length}`, "COMP");
  }
  for (const [i, { name, componentIndex }] of layout.tensors.entries()) {
    if (tensors[i]?.component !== componentIndex) {
      refuse(
        "component",
        `tensor "${name}" is placed in component ${tensors[i]?.component}; the fold says ${componentIndex}`,
        name,
      );
    }
  }
  for (const [i, expected] of componentsOf(layout.components, tensors).entries()) {
    const found = components[i];
    if (found?.tensors !== expected.tensors || found.size !== expected.size) {
      refuse("component", `component "${expected.name}" does not count its tensors and bytes`, expected.name);
    }
    if (!equalBytes(found.root, expected.root))
      refuse("component", `the root of component "${expected.name}" does not recompute`, expected.name);
  }
  const root = dataRoot(components);
  if (!equalBytes(root, envelope.header.dataRoot))
    refuse("data-root", "the data root does not recompute from the components", "header.dataRoot");
  if (!equalBytes(root, entryOf(envelope, "DATA").digest))
    refuse("data-root", "section DATA does not carry the data root", "DATA");
  return components;
}

/** One record a tensor, of a method that gives its dtype. */
export function provenTensors(value: Value, { tensors }: DataLayout): readonly Provenance[] {
  const provenance = provenanceListSchema.parse(value, "PROV");
  if (provenance.length !== tensors.length)
    refuse("provenance", `${provenance.length} provenance records for ${tensors.length} tensors`, "PROV");
  for (const [i, { name, dtype }] of tensors.entries()) {
    const method = provenance[i]?.method;
    if (!method || !METHODS[dtype].includes(method))
      refuse("provenance", `tensor "${name}" is ${dtype}, which method ${method} does not give`, name);
  }
  return provenance;
}
