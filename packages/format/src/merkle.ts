/**
 * Merkle trees as in RFC 6962 §2.1: leaves H(00 ‖ data), inner nodes H(01 ‖ left ‖ right), split at the largest power of
 * two below the number of leaves. Nothing is duplicated (CVE-2012-2459) and an empty tree does not occur.
 */
import { FormatError } from "./errors.ts";
import { createSha256, HASH_SIZE, joinBytes, type Sha256, sha256, sha256Async } from "./hash.ts";

/** What each kind of hash begins with, so that none can be offered as another. 00 and 01 are RFC 6962's. */
export const DOMAIN = {
  leaf: Uint8Array.of(0x00),
  node: Uint8Array.of(0x01),
  tensor: Uint8Array.of(0x02),
  component: Uint8Array.of(0x03),
  section: Uint8Array.of(0x04),
  table: Uint8Array.of(0x05),
  root: Uint8Array.of(0x06),
} as const;

/** The leaf of one chunk of a tensor. */
export function leafHash(chunk: Uint8Array): Uint8Array {
  return sha256(DOMAIN.leaf, chunk);
}

/** The same of a chunk that comes in pieces. */
export function startLeafHash(): Sha256 {
  const hash = createSha256();
  hash.update(DOMAIN.leaf);
  return hash;
}

/** The leaf of one chunk, by WebCrypto where that is faster. */
export function leafHashAsync(chunk: Uint8Array): Promise<Uint8Array> {
  return sha256Async(DOMAIN.leaf, chunk);
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(DOMAIN.node, left, right);
}

/**
 * Root over leaf hashes. A stack of complete subtrees, as a binary counter: it holds log2(n) nodes and gives the
 * unbalanced split of the RFC without recursion.
 */
export function merkleRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const subtrees: Uint8Array[] = [];
  let count = 0;
  for (const leaf of leaves) {
    let node = leaf;
    // Division, not shifts: counts pass 2^32 in no file here, but the rule is one for the whole format.
    for (let rest = count; rest % 2 === 1; rest = (rest - 1) / 2) node = nodeHash(popped(subtrees), node);
    subtrees.push(node);
    count++;
  }
  let root = popped(subtrees);
  while (subtrees.length > 0) root = nodeHash(popped(subtrees), root);
  return root;
}

function popped(nodes: Uint8Array[]): Uint8Array {
  const node = nodes.pop();
  if (!node) throw new FormatError("layout", "a Merkle tree has no leaves");
  return node;
}

/** Leaf hashes that lie one after another, as in the TREE section; views, not copies. */
export function splitLeaves(bytes: Uint8Array): readonly Uint8Array[] {
  if (bytes.length % HASH_SIZE !== 0)
    throw new FormatError("layout", `${bytes.length} bytes are not a whole number of leaves`);
  return Array.from({ length: bytes.length / HASH_SIZE }, (_, i) => bytes.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE));
}

/** Largest power of two below n. */
function splitOf(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** Audit path of leaf `index`, from the leaf up (RFC 6962 §2.1.1). */
export function inclusionProof(leaves: readonly Uint8Array[], index: number): readonly Uint8Array[] {
  if (!Number.isSafeInteger(index) || index < 0 || index >= leaves.length) {
    throw new FormatError("range", `leaf ${index} of a tree of ${leaves.length}`);
  }
  const path: Uint8Array[] = [];
  let from = 0;
  let to = leaves.length;
  while (to - from > 1) {
    const middle = from + splitOf(to - from);
    if (index < middle) {
      path.push(merkleRoot(leaves.slice(middle, to)));
      to = middle;
    } else {
      path.push(merkleRoot(leaves.slice(from, middle)));
      from = middle;
    }
  }
  return path.reverse();
}

/**
 * The root that an audit path leads to, from a leaf that claims to be number `index` of `count`. Throws FormatError
 * `layout` where the path is not as long as that place demands.
 */
export function rootFromProof(leaf: Uint8Array, index: number, count: number, path: readonly Uint8Array[]): Uint8Array {
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(index) || index < 0 || index >= count) {
    throw new FormatError("range", `leaf ${index} of a tree of ${count}`);
  }
  const sides: ("left" | "right")[] = [];
  let from = 0;
  let to = count;
  while (to - from > 1) {
    const middle = from + splitOf(to - from);
    if (index < middle) {
      sides.push("right");
      to = middle;
    } else {
      sides.push("left");
      from = middle;
    }
  }
  if (sides.length !== path.length) {
    throw new FormatError(
      "layout",
      `an audit path of ${path.length} hashes, where leaf ${index} of ${count} has ${sides.length}`,
    );
  }
  let node = leaf;
  for (const sibling of path) {
    if (sibling.length !== HASH_SIZE)
      throw new FormatError("layout", `an audit path holds ${sibling.length} bytes for a hash`);
    node = sides.pop() === "right" ? nodeHash(node, sibling) : nodeHash(sibling, node);
  }
  return node;
}

/** Leaves in one run of bytes, in the order of the TREE section. */
export function joinLeaves(leaves: readonly Uint8Array[]): Uint8Array {
  return joinBytes(leaves);
}
