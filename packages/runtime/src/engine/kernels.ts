/** The compiled kernels. What each argument means stands beside the kernel, in assembly/. Pointers are byte addresses. */
import { RuntimeError } from "../errors.ts";
import { CHUNK_TOKENS, COMBINED, COMBINED_COLUMNS, COMBINED_TOKENS, STATE_BYTES, TALL_ROWS } from "./layout/sizes.ts";

type Kernel<Arguments extends number[]> = (...args: Arguments) => void;
/** Every kernel that shares work ends with its share: part of parts. */
type Share = [part: number, parts: number];

export interface Kernels {
  readonly setParts: Kernel<[count: number]>;
  readonly embed: Kernel<[map: number, ids: number, tokens: number, rows: number, ...Share]>;
  readonly normBlocks: Kernel<[norm: number, from: number, to: number, tokens: number, width: number, ...Share]>;
  readonly quantise: Kernel<[from: number, to: number, tokens: number, width: number, ...Share]>;
  readonly linear: Kernel<
    [map: number, x: number, tokens: number, y: number, fromRow: number, toRow: number, part: number]
  >;
  readonly addBias: Kernel<[rows: number, map: number, tokens: number, ...Share]>;
  readonly addBlocks: Kernel<[rows: number, more: number, tokens: number, width: number, ...Share]>;
  readonly rotations: Kernel<
    [
      frequencies: number,
      pairs: number,
      significand: number,
      exponent: number,
      positions: number,
      tokens: number,
      to: number,
      ...Share,
    ]
  >;
  readonly prepareQueries: Kernel<
    [
      attention: number,
      rows: number,
      tokens: number,
      rotations: number,
      q: number,
      exponents: number,
      scratch: number,
      ...Share,
    ]
  >;
  readonly appendKeys: Kernel<
    [
      attention: number,
      rows: number,
      shared: number,
      tokens: number,
      rotations: number,
      table: number,
      first: number,
      scratch: number,
      ...Share,
    ]
  >;
  readonly appendValues: Kernel<
    [attention: number, rows: number, tokens: number, table: number, first: number, scratch: number, ...Share]
  >;
  readonly attend: Kernel<
    [
      attention: number,
      q: number,
      exponents: number,
      tokens: number,
      table: number,
      first: number,
      out: number,
      info: number,
      scores: number,
      scratch: number,
      ...Share,
    ]
  >;
  readonly joinHeads: Kernel<
    [attention: number, heads: number, info: number, tokens: number, to: number, scratch: number, ...Share]
  >;
  readonly mixValues: Kernel<
    [
      rows: number,
      first: number,
      factor: number,
      exponent: number,
      rest: number,
      restExponent: number,
      tokens: number,
      width: number,
      scratch: number,
      ...Share,
    ]
  >;
  readonly tensorProduct: Kernel<
    [a: number, b: number, tokens: number, heads: number, rank: number, size: number, rows: number, ...Share]
  >;
  readonly activate: Kernel<
    [ffn: number, inner: number, up: number, tokens: number, to: number, ones: number, ...Share]
  >;
  readonly chooseExperts: Kernel<
    [router: number, logits: number, tokens: number, choices: number, scratch: number, ...Share]
  >;
  readonly sortChoices: Kernel<[choices: number, tokens: number, used: number, count: number, lists: number]>;
  readonly gather: Kernel<
    [x: number, entries: number, count: number, used: number, width: number, to: number, ...Share]
  >;
  readonly scatter: Kernel<
    [rows: number, choices: number, entries: number, count: number, used: number, width: number, sum: number, ...Share]
  >;
  readonly addShared: Kernel<[rows: number, gate: number, tokens: number, width: number, sum: number, ...Share]>;
  readonly pickRows: Kernel<[from: number, list: number, count: number, to: number, ...Share]>;
  readonly putRows: Kernel<[from: number, list: number, count: number, to: number, ...Share]>;
  readonly setWorkspace: Kernel<[address: number, tall: number]>;
  readonly sumRows: Kernel<[map: number, to: number]>;
  readonly pageBytes: (attention: number) => number;
  readonly alignF32: (values: number, count: number) => number;
  readonly lastBits: () => number;
  readonly refineMultipliers: Kernel<[values: number, count: number]>;
  readonly spread: Kernel<[to: number, from: number, rows: number, columns: number, stride: number]>;
}

/**
 * Bytes of a workspace (setWorkspace) for so many tokens a chunk, {@link CHUNK_TOKENS} at most, of matrices so wide, a multiple of 16;
 * enough for tall tiles.
 */
export function workspaceBytes(tokens: number, columns: number): number {
  const widened = 2 * Math.max(4, tokens) * columns;
  // States, products of a tile, combined rows and tokens (assembly/linear-seven.ts): a combination is half as many by half the columns.
  const together = Math.ceil(tokens / COMBINED_TOKENS) * COMBINED_TOKENS;
  const combinations = COMBINED * ((TALL_ROWS + together) / 2) * Math.min(columns, COMBINED_COLUMNS);
  const combined = STATE_BYTES * together + COMBINED * 8 * TALL_ROWS + combinations;
  return 4 * CHUNK_TOKENS + Math.max(widened, combined);
}

const NAMES: readonly (keyof Kernels)[] = [
  "setParts",
  "embed",
  "normBlocks",
  "quantise",
  "linear",
  "addBias",
  "addBlocks",
  "rotations",
  "prepareQueries",
  "appendKeys",
  "appendValues",
  "attend",
  "joinHeads",
  "mixValues",
  "tensorProduct",
  "activate",
  "chooseExperts",
  "sortChoices",
  "gather",
  "scatter",
  "addShared",
  "pickRows",
  "putRows",
  "setWorkspace",
  "sumRows",
  "pageBytes",
  "alignF32",
  "lastBits",
  "refineMultipliers",
  "spread",
];

/** Bytes of a compiled module from its base64 constant. */
export function decodeModule(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Joins compiled kernels to a memory. */
export async function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Promise<Kernels> {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  if (!isKernels(exports))
    throw new RuntimeError("engine", "the compiled kernels do not fit this runtime: build again");
  return exports;
}

/** Kernels that compute nothing: `note` is told which was called, and with what. */
export function notedKernels(note: (kernel: keyof Kernels, args: readonly number[]) => void): Kernels {
  const noted = Object.fromEntries(NAMES.map((name) => [name, (...args: number[]) => note(name, args)]));
  if (!isKernels(noted)) throw new RuntimeError("engine", "a kernel has no name");
  return noted;
}

function isKernels(exports: unknown): exports is Kernels {
  if (typeof exports !== "object" || exports === null) return false;
  const found = new Map<string, unknown>(Object.entries(exports));
  return NAMES.every((name) => typeof found.get(name) === "function");
}
