/** The compiled kernel of `rows.ts` (assembly/rows.ts): rows go into its memory a few at a time, so that they stay in the cache. */
import { rowsWasm } from "./rows-wasm.generated.ts";

/** Elements in its memory at once, or one row: 256 KiB of f32. */
const TILE = 1 << 16;
const PAGE = 1 << 16;

/** What rounding did to some rows. */
export interface KernelSums {
  readonly maxError: number;
  readonly squaredError: number;
  readonly outlierRows: number;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly quantizeRows: (
    values: number,
    rows: number,
    columns: number,
    out: number,
    scales: number,
    sums: number,
  ) => number;
}

function isExports(exports: object): exports is Exports {
  return "memory" in exports && exports.memory instanceof WebAssembly.Memory && "quantizeRows" in exports;
}

let loaded: Exports | undefined;

function kernel(): Exports {
  if (!loaded) {
    const bytes = Uint8Array.from(atob(rowsWasm), (character) => character.charCodeAt(0));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: {
        abort: () => {
          throw new RangeError("the kernel that quantizes rows aborted");
        },
      },
    });
    if (!isExports(exports)) throw new TypeError("the compiled kernel lacks its exports: build the package again");
    loaded = exports;
  }
  return loaded;
}

/**
 * Quantizes rows of `columns` values to `out` and `scales`, both as long as they need to be. Gives what it did to them, or the index
 * of the first row with a value that is not finite.
 */
export function quantizeOnKernel(
  values: Float32Array,
  columns: number,
  out: Int8Array,
  scales: Float32Array,
): KernelSums | number {
  const { memory, quantizeRows } = kernel();
  const rows = scales.length;
  const most = Math.max(1, Math.min(rows, Math.floor(TILE / columns)));
  const valuesAt = 32;
  const scalesAt = valuesAt + 4 * most * columns;
  const outAt = scalesAt + 4 * most;
  const missing = outAt + most * columns - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  const sums = new DataView(memory.buffer);
  for (let at = 0; at < 24; at += 8) sums.setFloat64(at, 0, true);
  const tileValues = new Float32Array(memory.buffer, valuesAt, most * columns);
  const tileScales = new Float32Array(memory.buffer, scalesAt, most);
  const tileOut = new Int8Array(memory.buffer, outAt, most * columns);
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    const start = row * columns;
    const end = start + count * columns;
    tileValues.set(values.subarray(start, end));
    const bad = quantizeRows(valuesAt, count, columns, outAt, scalesAt, 0);
    if (bad >= 0) return row + bad;
    out.set(tileOut.subarray(0, count * columns), start);
    scales.set(tileScales.subarray(0, count), row);
  }
  return {
    maxError: sums.getFloat64(0, true),
    squaredError: sums.getFloat64(8, true),
    outlierRows: sums.getUint32(16, true),
  };
}
