/**
 * Artifacts of the public original, container versions 1 and 2: "S7LM", version u16, class, flags, root, then lanes (id u8,
 * length u32, payload, SHA-256 of the payload), all big-endian. Read to show what is in them and what they cannot prove;
 * nothing here makes them runnable.
 */
import { type ByteSource, createSha256, equalBytes, HASH_SIZE, sha256, toHex } from "@s7l/format";
import { CliError } from "../errors.ts";

const HEADER = 40;
const LANES: Readonly<Record<number, string>> = { 1: "DICT", 2: "FIELD", 3: "LANE", 4: "EDGE", 5: "BATCH" };
const FIELD = 2;
const EDGE = 4;

/** A file with more lanes than there are ids is none. */
const MAX_LANES = 255;
const MAX_TENSORS = 1 << 20;
const MAX_RANK = 8;
/** Bytes hashed at once. */
const STEP = 1 << 20;
/** Bytes of records read at once. */
const PIECE = 1 << 16;

export interface OriginalLane {
  readonly id: number;
  readonly name: string;
  readonly size: number;
  /** Whether the lane's own SHA-256 recomputes. */
  readonly intact: boolean;
}

export interface OriginalTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** One for the whole tensor. */
  readonly scale: number;
}

export interface OriginalArtifact {
  readonly version: number;
  readonly class: number;
  readonly flags: number;
  readonly root: string;
  /** Whether the root recomputes from the lanes' hashes. */
  readonly rootRecomputes: boolean;
  readonly lanes: readonly OriginalLane[];
  /** Hashes of trunk and experts as the EDGE lane states them; what they cover is not stored. */
  readonly subRoots: readonly string[];
  readonly tensors: readonly OriginalTensor[];
}

/** What these versions leave unprotected, whatever their hashes say: each became a rule of version 3. */
export const UNPROVEN: readonly string[] = [
  "version, class, flags and lane ids: they are outside the root, so they can be changed unnoticed",
  "the number of lanes: an odd node is paired with itself, so a file with its last lane repeated has the same root",
  "the difference between a lane and an inner node: hashes of both have the same form",
  "the parts of the model: nothing ties the sub-roots to tensors or to the root",
  "the order, the names and the padding of tensors: any order and any padding hashes to some valid root",
  "what is computed: there is no compute program, no version of the arithmetic and no golden logits",
  "its origin: there is no signature",
];

/** Reads an artifact of version 1 or 2. Throws CliError `foreign` where its parts do not fit each other or the file. */
export async function readOriginalArtifact(source: ByteSource): Promise<OriginalArtifact> {
  if (source.size < HEADER) refuse(`${source.size} bytes are too few for its header of ${HEADER}`, "header");
  const header = await viewOf(source, 0, HEADER);
  const lanes: OriginalLane[] = [];
  const hashes: Uint8Array[] = [];
  let subRoots: readonly string[] = [];
  let tensors: readonly OriginalTensor[] = [];
  let at = HEADER;
  while (at < source.size) {
    if (lanes.length === MAX_LANES) refuse(`it has more than ${MAX_LANES} lanes`, "lanes");
    if (source.size - at < 5) refuse(`${source.size - at} bytes follow its last lane`, "lanes");
    const head = await viewOf(source, at, 5);
    const id = head.getUint8(0);
    const size = head.getUint32(1);
    const start = at + 5;
    if (size > source.size - start - HASH_SIZE)
      refuse(`lane ${id} should have ${size} bytes, but the file ends before`, `lane ${id}`);
    const hash = await hashOf(source, start, size);
    const stored = await source.read(start + size, HASH_SIZE);
    lanes.push({ id, name: LANES[id] ?? "unknown", size, intact: equalBytes(hash, stored) });
    hashes.push(hash);
    if (id === FIELD && tensors.length === 0) tensors = await readTensors(source, start, size);
    if (id === EDGE && subRoots.length === 0 && size % HASH_SIZE === 0 && size <= MAX_LANES * HASH_SIZE)
      subRoots = split(await source.read(start, size)).map(toHex);
    at = start + size + HASH_SIZE;
  }
  const root = await source.read(8, HASH_SIZE);
  return {
    version: header.getUint16(4),
    class: header.getUint8(6),
    flags: header.getUint8(7),
    root: toHex(root),
    rootRecomputes: equalBytes(root, pairedRoot(hashes)),
    lanes,
    subRoots,
    tensors,
  };
}

/** The original's tree: no prefixes, an odd node paired with itself, zeros where there is nothing. */
function pairedRoot(leaves: readonly Uint8Array[]): Uint8Array {
  let level = leaves;
  while (level.length > 1) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const left = level[i];
      if (left) above.push(sha256(left, level[i + 1] ?? left));
    }
    level = above;
  }
  return level[0] ?? new Uint8Array(HASH_SIZE);
}

/** Records of FIELD: name length u16, name, rank u8, dims u32, scale f32, int8 data padded to 32. */
async function readTensors(source: ByteSource, start: number, size: number): Promise<readonly OriginalTensor[]> {
  const tensors: OriginalTensor[] = [];
  const end = start + size;
  let at = start;
  let piece: DataView = new DataView(new ArrayBuffer(0));
  let pieceAt = start;
  const take = async (length: number): Promise<DataView> => {
    if (length > end - at)
      refuse(`record ${tensors.length} of lane FIELD is cut off`, `FIELD record ${tensors.length}`);
    if (at + length > pieceAt + piece.byteLength) {
      piece = await viewOf(source, at, Math.min(Math.max(PIECE, length), end - at));
      pieceAt = at;
    }
    const view = new DataView(piece.buffer, piece.byteOffset + at - pieceAt, length);
    at += length;
    return view;
  };
  while (at < end) {
    const place = `FIELD record ${tensors.length}`;
    if (tensors.length === MAX_TENSORS) refuse(`lane FIELD has more than ${MAX_TENSORS} tensors`, place);
    const name = textOf(await take((await take(2)).getUint16(0)), place);
    const rank = (await take(1)).getUint8(0);
    if (rank > MAX_RANK) refuse(`tensor ${name} has rank ${rank}, above ${MAX_RANK}`, place);
    const dims = await take(4 * rank);
    const shape = Array.from({ length: rank }, (_, i) => dims.getUint32(4 * i));
    const scale = (await take(4)).getFloat32(0);
    const numel = shape.reduce((n, dim) => n * dim, 1);
    // Products beyond 53 bits are inexact but still far above any file, so this refuses them.
    const stored = Math.ceil(numel / 32) * 32;
    if (stored > end - at) refuse(`tensor ${name} [${shape.join(", ")}] reaches beyond lane FIELD`, place);
    at += stored;
    tensors.push({ name, shape, scale });
  }
  return tensors;
}

async function hashOf(source: ByteSource, start: number, size: number): Promise<Uint8Array> {
  const hash = createSha256();
  for (let at = 0; at < size; at += STEP) hash.update(await source.read(start + at, Math.min(STEP, size - at)));
  return hash.digest();
}

async function viewOf(source: ByteSource, offset: number, length: number): Promise<DataView> {
  const bytes = await source.read(offset, length);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function textOf(view: DataView, place: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(view);
  } catch {
    return refuse("a name is not UTF-8", place);
  }
}

function split(bytes: Uint8Array): readonly Uint8Array[] {
  return Array.from({ length: bytes.length / HASH_SIZE }, (_, i) => bytes.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE));
}

function refuse(message: string, at: string): never {
  throw new CliError("foreign", `this artifact of the original is damaged: ${message}`, at);
}
