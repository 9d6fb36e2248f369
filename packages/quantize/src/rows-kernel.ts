/**
 * The compiled kernel of `rows.ts` (assembly/rows.ts) with a memory of its own. Stored weights are read straight into that memory, hashed
 * there and quantized there, and what comes out is hashed and written from there: between two calls of the system nothing is copied.
 */
import { assertRange } from "@s7l/format";
import { bytesOfFloat, STORED_FLOATS, type StoredFloat } from "./checkpoint/stored-float.ts";
import { rowsWasm } from "./rows-wasm.generated.ts";

const PAGE = 1 << 16;
/** Kernels that wait for the next tensor; more are made where more spans are open at once. */
const MOST_IDLE = 2;

/** Quantized rows and what rounding did to them. */
export interface KernelRows {
  /** Views of the kernel's memory, good until its next rows; `values` begin with those that these rows came behind. */
  readonly values: Int8Array;
  readonly scales: Float32Array;
  readonly maxError: number;
  readonly squaredError: number;
  readonly outlierRows: number;
}

/** A kernel that somebody works with. Give it back when done. */
export interface RowsKernel {
  /** Two areas for stored rows, which take turns: one is read into while the other is quantized. */
  readonly inputs: readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
  /** Integers that it has room for: a block at least. */
  readonly room: number;
  /**
   * Quantizes the rows at the start of an area, `behind` so many integers that it made before; gives the index of the first with a value
   * that is not finite, where there is one.
   */
  quantize(area: 0 | 1, rows: number, behind?: number): KernelRows | number;
  /** Ends the work, and takes all views of its memory back. */
  release(): void;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly quantizeRows: (
    type: number,
    input: number,
    rows: number,
    columns: number,
    scratch: number,
    out: number,
    scales: number,
    sums: number,
  ) => number;
}

function isExports(exports: object): exports is Exports {
  return "memory" in exports && exports.memory instanceof WebAssembly.Memory && "quantizeRows" in exports;
}

let compiled: WebAssembly.Module | undefined;

function instantiate(): Exports {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(rowsWasm), (character) => character.charCodeAt(0)));
  const { exports } = new WebAssembly.Instance(compiled, {
    env: {
      abort: () => {
        throw new RangeError("the kernel that quantizes rows aborted");
      },
    },
  });
  if (!isExports(exports)) throw new TypeError("the compiled kernel lacks its exports: build the package again");
  return exports;
}

/** Instances whose users are done. A memory never shrinks, so those that were made for unusually much are not kept. */
const idle: Exports[] = [];
const LARGEST_IDLE = 1 << 24;

/** Bytes that are worth a write: less, and what the file system does for each counts beside what it does for the bytes. */
const WORTH_A_WRITE = 1 << 18;

const up16 = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** A kernel for blocks of at most `elements` weights of a type in rows of `columns`, which is how long its areas are. */
export function takeKernel(type: StoredFloat, elements: number, columns: number): RowsKernel {
  const exports = idle.pop() ?? instantiate();
  const { memory, quantizeRows } = exports;
  const size = elements * bytesOfFloat(type);
  const sumsAt = 0;
  const firstAt = 32;
  const secondAt = up16(firstAt + size);
  const scratchAt = up16(secondAt + size);
  const scalesAt = up16(scratchAt + 4 * columns);
  const outAt = up16(scalesAt + 4 * Math.ceil(elements / columns));
  const room = Math.max(elements, WORTH_A_WRITE);
  const missing = outAt + room - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  // From here on it does not grow, which would take these views away.
  const { buffer } = memory;
  const sums = new DataView(buffer, sumsAt, 24);
  const number = STORED_FLOATS.indexOf(type);
  return {
    inputs: [new Uint8Array(buffer, firstAt, size), new Uint8Array(buffer, secondAt, size)],
    room,
    quantize: (area, rows, behind = 0) => {
      assertRange(room, behind, rows * columns);
      for (let at = 0; at < 24; at += 8) sums.setFloat64(at, 0, true);
      const input = area === 0 ? firstAt : secondAt;
      const bad = quantizeRows(number, input, rows, columns, scratchAt, outAt + behind, scalesAt, sumsAt);
      if (bad >= 0) return bad;
      return {
        values: new Int8Array(buffer, outAt, behind + rows * columns),
        scales: new Float32Array(buffer, scalesAt, rows),
        maxError: sums.getFloat64(0, true),
        squaredError: sums.getFloat64(8, true),
        outlierRows: sums.getUint32(16, true),
      };
    },
    release: () => {
      if (idle.length < MOST_IDLE && buffer.byteLength <= LARGEST_IDLE) idle.push(exports);
    },
  };
}
