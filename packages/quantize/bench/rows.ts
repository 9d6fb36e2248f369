/** The rows kernel alone, on weights that stay in the cache: GB/s of stored weights, shortest of many runs. Part of `npm run bench:build`. */
import { bytesOfFloat, STORED_FLOATS } from "../src/checkpoint/stored-float.ts";
import { floatBits } from "../src/init/element.ts";
import { takeKernel } from "../src/rows-kernel.ts";

const ROWS = 64;
const COLUMNS = 4096;
const RUNS = 400;

for (const type of STORED_FLOATS) {
  const size = bytesOfFloat(type);
  const kernel = takeKernel(type, ROWS * COLUMNS, COLUMNS);
  const view = new DataView(kernel.inputs[0].buffer, kernel.inputs[0].byteOffset, kernel.inputs[0].byteLength);
  for (let i = 0; i < ROWS * COLUMNS; i++) {
    const bits = floatBits(Math.sin(i * 12.9898) / 50, type);
    if (size === 4) view.setUint32(4 * i, bits, true);
    else view.setUint16(2 * i, bits, true);
  }
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    kernel.quantize(0, ROWS);
    best = Math.min(best, performance.now() - start);
  }
  kernel.release();
  const bytes = ROWS * COLUMNS * size;
  console.info(`${(bytes / 1e6 / best).toFixed(2).padStart(6)} GB/s  the rows kernel alone, ${type}, in the cache`);
}
