/**
 * Checks a proof against a root, with nothing else at hand: no artifact, no server, no trust in who made it.
 */
import {
  CHUNK_LOG2,
  type Component,
  componentLeaf,
  concatBytes,
  decodeCanonical,
  equalBytes,
  FormatError,
  HASH_SHA256,
  HASH_SIZE,
  type Header,
  leafHash,
  MAGIC,
  merkleRoot,
  readHeader,
  rootFromProof,
  rootOfHeader,
  spanLayout,
  splitLeaves,
  type TensorRecord,
  tensorLeaf,
  toHex,
  VERSION,
} from "@s7l/format";
import { MAX_PROOF, type Proof, ProofError, type ProofErrorCode, proofSchema } from "./proof.ts";

/** What a proof that holds says. */
export interface Proven {
  readonly tensor: TensorRecord;
  readonly component: Component;
  /** Which bytes of the tensor's span it is of. */
  readonly offset: number;
  readonly length: number;
  /** Of the chunk, where the proof is of one. */
  readonly chunk?: { readonly index: number; readonly leaf: Uint8Array };
}

/**
 * Holds a proof, and the bytes that it is said to be of, to a root (32 bytes, or their hexadecimal form). Throws ProofError.
 * Without `content` the claim is about hashes alone.
 */
export function checkProof(root: Uint8Array | string, proof: Uint8Array, content?: Uint8Array): Proven {
  if (!(proof instanceof Uint8Array)) throw new ProofError("proof", "a proof is bytes");
  const parsed = typed("proof", () => parse(proof));
  const header = typed("root", () => rootedHeader(root, parsed));
  const { component, tensor } = parsed;
  leadsTo("component", componentLeaf(component), tensor.component, header.componentCount, parsed.componentPath, {
    root: header.dataRoot,
    claim: `component "${component.name}" is not in the artifact`,
  });
  leadsTo("tensor", tensorLeaf(tensor), parsed.tensorIndex, component.tensors, parsed.tensorPath, {
    root: component.root,
    claim: `tensor "${tensor.name}" is not in component "${component.name}"`,
  });
  typed("tensor", () => ownLength(tensor));
  const chunkSize = 2 ** header.chunkLog2;
  return parsed.chunk ? checkChunk(parsed, parsed.chunk, chunkSize, content) : checkTensor(parsed, chunkSize, content);
}

function parse(proof: Uint8Array): Proof {
  if (proof.length > MAX_PROOF)
    throw new ProofError("proof", `a proof has at most ${MAX_PROOF} bytes, this has ${proof.length}`);
  return proofSchema.parse(decodeCanonical(proof, "proof"), "proof");
}

function rootedHeader(root: Uint8Array | string, { header: rooted }: Proof): Header {
  const wanted = typeof root === "string" ? root.toLowerCase() : root instanceof Uint8Array ? toHex(root) : "";
  if (!/^[0-9a-f]{64}$/.test(wanted))
    throw new ProofError("root", "the expected root is not 32 bytes, or 64 hexadecimal digits");
  const bytes = concatBytes(rooted, new Uint8Array(HASH_SIZE));
  const given = toHex(rootOfHeader(bytes));
  if (given !== wanted) throw new ProofError("root", `the proof is under the root ${given}, not ${wanted}`);
  const header = readHeader(bytes);
  // A root commits to any 224 bytes: that these are a header of this version is for us to see.
  const { magic, version, hash, chunkLog2 } = header;
  const known = equalBytes(magic, MAGIC) && version === VERSION && hash === HASH_SHA256;
  if (!known || chunkLog2 < CHUNK_LOG2.least || chunkLog2 > CHUNK_LOG2.most)
    throw new ProofError("root", "the root is not that of an artifact of version 3");
  return header;
}

function ownLength(tensor: TensorRecord): void {
  if (spanLayout(tensor).size !== tensor.length)
    throw new ProofError("tensor", `tensor "${tensor.name}" claims ${tensor.length} bytes, which is not what it takes`);
}

function checkChunk(
  { tensor, component }: Proof,
  { index, leaf, path }: Required<Proof>["chunk"],
  chunkSize: number,
  content: Uint8Array | undefined,
): Proven {
  leadsTo("chunk", leaf, index, Math.ceil(tensor.length / chunkSize), path, {
    root: tensor.root,
    claim: `chunk ${index} is not in tensor "${tensor.name}"`,
  });
  const offset = index * chunkSize;
  const length = Math.min(chunkSize, tensor.length - offset);
  if (content && (content.length !== length || !equalBytes(leafHash(content), leaf)))
    throw new ProofError("bytes", `the bytes are not chunk ${index} of tensor "${tensor.name}"`, tensor.name);
  return { tensor, component, offset, length, chunk: { index, leaf } };
}

function checkTensor({ tensor, component }: Proof, chunkSize: number, content: Uint8Array | undefined): Proven {
  const { length, name, root } = tensor;
  if (content && (content.length !== length || !equalBytes(merkleRoot(leavesOf(content, chunkSize)), root)))
    throw new ProofError("bytes", `the bytes are not tensor "${name}"`, name);
  return { tensor, component, offset: 0, length };
}

function leavesOf(content: Uint8Array, chunkSize: number): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(content.length / chunkSize) }, (_, i) =>
    leafHash(content.subarray(i * chunkSize, (i + 1) * chunkSize)),
  );
}

function leadsTo(
  code: ProofErrorCode,
  leaf: Uint8Array,
  index: number,
  count: number,
  path: Uint8Array,
  { root, claim }: { readonly root: Uint8Array; readonly claim: string },
): void {
  if (
    !equalBytes(
      typed(code, () => rootFromProof(leaf, index, count, splitLeaves(path))),
      root,
    )
  )
    throw new ProofError(code, claim);
}

/** What the format refuses in a proof is refused as part of it. */
function typed<T>(code: ProofErrorCode, step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof FormatError) throw new ProofError(code, error.message, error.at, { cause: error });
    throw error;
  }
}
