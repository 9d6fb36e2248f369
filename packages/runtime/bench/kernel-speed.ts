/** Speed of the matrix kernels alone. */
import { Heap } from "../src/engine/heap.ts";
import { decodeModule, instantiateKernels, type Kernels, workspaceBytes } from "../src/engine/kernels.ts";
import * as HEAD from "../src/engine/layout/head.ts";
import * as MAP from "../src/engine/layout/map.ts";
import * as ROWS from "../src/engine/layout/rows.ts";
import { EMPTY_MAP } from "../src/engine/records.ts";
import { engineRelaxedWasm, engineWasm } from "../src/engine/wasm-bytes.generated.ts";
import { best } from "./timing.ts";

export interface KernelSpeed {
  readonly kernel: string;
  /** GB of weights a second at one token. */
  readonly decode: number;
  /** The same of a matrix that stays in cache. */
  readonly cached: number;
  /** 10^9 operations (two a multiply-add) a second at 64 tokens. */
  readonly prefill: number;
}

/** Speeds of one engine's matrix product, by tall tiles or the others; undefined where the host cannot have it. */
export async function kernelSpeed(engine: "simd" | "relaxed", tall: boolean): Promise<KernelSpeed | undefined> {
  const bytes = decodeModule(engine === "simd" ? engineWasm : engineRelaxedWasm);
  if (!WebAssembly.validate(bytes)) return undefined;
  const heap = new Heap(1024, false);
  const kernels = await instantiateKernels(await WebAssembly.compile(bytes), heap.memory);
  const product = products(heap, kernels, tall);
  const large = 64 << 20;
  const small = 1 << 19;
  const columns = 1024;
  return {
    kernel: engine,
    decode: large / (await best(product(large / columns, columns, 1), 1500)) / 1e9,
    cached: small / (await best(product(small / columns, columns, 1), 700)) / 1e9,
    prefill: (2 * 960 * columns * 64) / (await best(product(960, columns, 64), 1500)) / 1e9,
  };
}

function products(heap: Heap, kernels: Kernels, tall: boolean) {
  return (rows: number, columns: number, tokens: number): (() => void) => {
    const weights = heap.allocate(rows * columns);
    const bytes = new Int8Array(heap.memory.buffer, weights, rows * columns);
    for (let i = 0; i < bytes.length; i++) bytes[i] = ((i * 73) % 255) - 127;
    const multipliers = heap.words(Array<number>(rows).fill(1 << 23));
    const sums = heap.allocate(rows * 4);
    const map = heap.record(MAP, {
      ...EMPTY_MAP,
      data: weights,
      stride: columns,
      multipliers,
      multiplierBits: 24,
      rows,
      columns,
      sums,
    });
    const x = heap.allocate(tokens * columns * 2);
    const heads = heap.allocate(tokens * HEAD.bytes);
    const y = heap.record(ROWS, {
      data: heap.allocate(tokens * rows * 4),
      heads: heap.allocate(tokens * HEAD.bytes),
      stride: rows,
    });
    const input = heap.record(ROWS, { data: x, heads, stride: columns });
    const workspace = heap.allocate(workspaceBytes(tokens, columns));
    const q = new Int16Array(heap.memory.buffer, x, tokens * columns);
    for (let i = 0; i < q.length; i++) q[i] = ((i * 2731) % 4096) - 2048;
    for (let t = 0; t < tokens; t++) heap.i32[(heads + t * HEAD.bytes) / 4 + HEAD.l1] = 1024 * columns;
    kernels.sumRows(map, sums);
    kernels.setWorkspace(workspace, tall ? 1 : 0);
    return () => {
      kernels.setWorkspace(workspace, tall ? 1 : 0);
      kernels.linear(map, input, tokens, y, 0, rows, 0);
    };
  };
}
