/**
 * The tree above the chunks. T: root over a tensor's chunk leaves. C: root over the records of a component's tensors, in
 * name order. D: root over the component records, in name order. A component (embedding, trunk, head, one expert) can so be
 * proved without the others.
 */
import { encodeCanonical } from "./canonical.ts";
import { sha256 } from "./hash.ts";
import { DOMAIN, merkleRoot } from "./merkle.ts";
import { bytes, type Infer, integer, list, record, text } from "./schema.ts";
import type { TensorRecord } from "./tensor-index.ts";

/** Components an artifact may hold: those of 4096 experts, and room. */
export const MAX_COMPONENTS = 1 << 16;

export const componentSchema = /* @__PURE__ */ record({
  /** `embedding`, `trunk`, `head` or `expert{e}`. */
  name: text(64, /^[!-~]+$/),
  /** Tensors in it. */
  tensors: integer(undefined, 1),
  /** Bytes of their spans. */
  size: integer(undefined, 1),
  /** C. */
  root: bytes(32),
});

export type Component = Infer<typeof componentSchema>;

export const componentsSchema = /* @__PURE__ */ list(componentSchema, MAX_COMPONENTS, 1);

/** H(02 ‖ record). */
export function tensorLeaf(tensor: TensorRecord): Uint8Array {
  return sha256(DOMAIN.tensor, encodeCanonical(tensor));
}

/** H(03 ‖ record). */
export function componentLeaf(component: Component): Uint8Array {
  return sha256(DOMAIN.component, encodeCanonical(component));
}

/** The component records that tensor records imply; `names` in the order of COMP. */
export function componentsOf(names: readonly string[], tensors: readonly TensorRecord[]): readonly Component[] {
  const groups = names.map((): TensorRecord[] => []);
  for (const tensor of tensors) groups[tensor.component]?.push(tensor);
  return names.map((name, k) => {
    const own = groups[k] ?? [];
    return {
      name,
      tensors: own.length,
      size: own.reduce((sum, tensor) => sum + tensor.length, 0),
      root: merkleRoot(own.map(tensorLeaf)),
    };
  });
}

/** D. */
export function dataRoot(components: readonly Component[]): Uint8Array {
  return merkleRoot(components.map(componentLeaf));
}
