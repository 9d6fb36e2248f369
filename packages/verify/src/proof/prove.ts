import {
  componentLeaf,
  encodeCanonical,
  encodeHeader,
  inclusionProof,
  joinLeaves,
  type TensorRecord,
  tensorLeaf,
} from "@s7l/format";
import type { VerifiedArtifact } from "../artifact.ts";
import { type Proof, ProofError, ROOTED_HEADER } from "./proof.ts";

/** What to prove: a tensor as a whole, or one of its chunks. */
export interface ProofRequest {
  readonly tensor: string;
  /** From 0, in units of the artifact's chunk size. */
  readonly chunk?: number;
}

/**
 * Makes a proof that a tensor or chunk is in the artifact; `checkProof` needs nothing but the root. Throws ProofError, or what
 * reading the artifact throws.
 */
export async function prove(artifact: VerifiedArtifact, { tensor: name, chunk }: ProofRequest): Promise<Uint8Array> {
  const { header, components, plan } = artifact;
  const tensor = artifact.record(name);
  const component = components[tensor.component];
  if (!component) throw new ProofError("component", `tensor "${name}" is in no component`, name);
  const siblings = plan.filter((planned) => planned.component === component.name);
  const tensorIndex = siblings.findIndex((planned) => planned.name === name);
  const records = siblings.map((planned): TensorRecord => artifact.record(planned.name));
  const proof: Proof = {
    proof: "s7l-proof-1",
    header: encodeHeader(header).slice(0, ROOTED_HEADER),
    component,
    componentPath: joinLeaves(inclusionProof(components.map(componentLeaf), tensor.component)),
    tensor,
    tensorIndex,
    tensorPath: joinLeaves(inclusionProof(records.map(tensorLeaf), tensorIndex)),
    ...(chunk === undefined ? {} : { chunk: await proveChunk(artifact, name, chunk) }),
  };
  return encodeCanonical(proof);
}

async function proveChunk(artifact: VerifiedArtifact, name: string, index: number): Promise<Required<Proof>["chunk"]> {
  const leaves = await artifact.leaves(name);
  const leaf = leaves[index];
  if (!leaf) throw new ProofError("chunk", `tensor "${name}" has ${leaves.length} chunks, and none of number ${index}`);
  return { index, leaf, path: joinLeaves(inclusionProof(leaves, index)) };
}
