/** Everything between two weights: allocated once, at load, for a chunk of tokens. */
import type { Heap } from "./heap.ts";
import { workspaceBytes } from "./kernels.ts";
import * as CHOICE from "./layout/choice.ts";
import * as HEAD from "./layout/head.ts";
import * as ROWS from "./layout/rows.ts";
import { CHUNK_TOKENS, QUERIES } from "./layout/sizes.ts";
import type { Program, RotationStep, Sizes } from "./program.ts";
import { isWide } from "./wide-vectors.ts";

/** Positions whose logits are computed at once. */
export const LOGIT_ROWS = 8;
/** Tokens of a chunk, at least. More reuse weights from the cache more often; activations must stay in it too. */
const MIN_TOKENS = 16;
/** Bytes that the widest activations of a chunk may take: about a core's second-level cache. */
const ACTIVATION_BYTES = 1_600_000;

export interface Arena {
  readonly tokens: number;
  readonly ids: number;
  readonly positions: number;
  /** Residual stream, and that of a routed stage's group. */
  readonly stream: number;
  readonly routed: number;
  /** A norm's result, a layer's output, and the sum over experts. */
  readonly normed: number;
  readonly output: number;
  readonly sum: number;
  /** 14-bit activations: of the stream, of what lies between two projections, of an FFN, of one expert's tokens. */
  readonly activation: number;
  readonly between: number;
  readonly hidden: number;
  readonly gathered: number;
  readonly queries: number;
  readonly keys: number;
  readonly values: number;
  readonly firstValues: number;
  readonly shared: number;
  readonly latent: number;
  readonly leftFactors: number;
  readonly rightFactors: number;
  readonly q: number;
  readonly qExponents: number;
  readonly attended: number;
  readonly attendedInfo: number;
  readonly inner: number;
  readonly up: number;
  /** 2^24 in as many places as the widest FFN has. */
  readonly ones: number;
  readonly routerLogits: number;
  readonly gateLogits: number;
  readonly choices: number;
  readonly lists: number;
  /** By rotation step. */
  readonly rotations: readonly number[];
  readonly logits: number;
  readonly logitRows: number;
  /** Scratch of each part. */
  readonly scratch: readonly number[];
  /** What each part prepares for a product. */
  readonly workspaces: readonly number[];
  /** Whether tiles of many tokens are tall (assembly/linear-seven.ts): where vectors are wide. */
  readonly tall: boolean;
  /** Where the logits lie, for reading them out. */
  readonly logitPlace: RowPlace;
  /** The numbers 0, 1, 2, … of a chunk's tokens. */
  readonly identity: number;
  /** The chunk's tokens by expert of a routed stage, and their positions. */
  readonly members: number;
  readonly memberPositions: number;
}

/** Where rows and their heads lie. */
export interface RowPlace {
  readonly data: number;
  readonly heads: number;
  /** Bytes from one token to the next. */
  readonly pitch: number;
}

const up = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Tokens of a chunk for these sizes. */
export function chunkTokens(sizes: Sizes, context: number): number {
  const fit = Math.floor(ACTIVATION_BYTES / (2 * up(sizes.activation, 32)) / 4) * 4;
  return Math.min(up(context, 4), Math.max(MIN_TOKENS, Math.min(CHUNK_TOKENS, fit)));
}

interface ArenaNeeds {
  readonly vocab: number;
  readonly context: number;
  readonly parts: number;
  /** Positions whose logits are computed at once. Default: 8. */
  readonly logits?: number;
}

/** Allocates the arena of a program. */
export function allocateArena(
  heap: Heap,
  { sizes, rotations }: Program,
  { vocab, context, parts, logits: most = LOGIT_ROWS }: ArenaNeeds,
): Arena {
  const tokens = chunkTokens(sizes, context);
  const logitRows = Math.min(most, tokens);
  const place = (count: number, width: number, bytes: number): RowPlace & { readonly record: number } => {
    const stride = up(Math.max(width, 1), 32);
    const data = heap.allocate(count * stride * bytes);
    const heads = heap.allocate(count * HEAD.bytes);
    return { data, heads, pitch: stride * bytes, record: heap.record(ROWS, { data, heads, stride }) };
  };
  const rows = (width: number): number => place(tokens, width, 4).record;
  const activations = (width: number): number => place(tokens, width, 2).record;
  const logits = place(logitRows, vocab, 4);
  const ones = heap.allocate(up(sizes.hidden, 8) * 4);
  heap.i32.fill(1 << 24, ones / 4, ones / 4 + sizes.hidden);
  return {
    tokens,
    ids: heap.allocate(tokens * 4),
    positions: heap.allocate(tokens * 4),
    stream: rows(sizes.residual),
    routed: rows(sizes.residual),
    normed: rows(Math.max(sizes.residual, sizes.latent)),
    output: rows(sizes.residual),
    sum: rows(sizes.residual),
    activation: activations(sizes.residual),
    between: activations(Math.max(sizes.latent, sizes.mixed)),
    hidden: activations(sizes.hidden),
    gathered: activations(sizes.residual),
    queries: rows(sizes.queries),
    keys: rows(sizes.keys),
    values: rows(sizes.values),
    firstValues: rows(sizes.values),
    shared: rows(sizes.shared),
    latent: rows(sizes.latent),
    leftFactors: rows(sizes.factors),
    rightFactors: rows(sizes.factors),
    q: heap.allocate(tokens * sizes.paddedQueries * 2),
    qExponents: heap.allocate(tokens * sizes.heads * 4),
    attended: heap.allocate(tokens * sizes.paddedMixed * 4 + 64),
    attendedInfo: heap.allocate(tokens * sizes.heads * 8),
    inner: rows(sizes.hidden),
    up: rows(sizes.hidden),
    ones,
    routerLogits: rows(sizes.experts),
    gateLogits: rows(1),
    choices: heap.allocate(tokens * sizes.used * CHOICE.bytes),
    lists: heap.allocate((sizes.experts + 1 + tokens * sizes.used) * 4),
    rotations: rotations.map((rotation) => heap.allocate(tokens * rotationBytes(rotation))),
    logits: logits.record,
    logitRows,
    scratch: Array.from({ length: parts }, () => heap.allocate(scratchBytes(sizes))),
    workspaces: Array.from({ length: parts }, () => heap.allocate(workspaceBytes(tokens, up(sizes.activation, 32)))),
    tall: isWide(),
    logitPlace: logits,
    identity: heap.words(Array.from({ length: tokens }, (_, t) => t)),
    members: heap.allocate(tokens * 4),
    memberPositions: heap.allocate(tokens * 4),
  };
}

/** Bytes of one token's sines and cosines. */
const rotationBytes = ({ pairs }: RotationStep): number => up(pairs, 4) * 8;

/** Enough for the records and sums of a group of queries, a joined row, a row of values, and a router's scores. */
const scratchBytes = (sizes: Sizes): number =>
  4096 + 8 * QUERIES * sizes.headPad + 4 * up(sizes.mixed, 32) + 4 * up(sizes.values, 32) + 48 * sizes.experts;
