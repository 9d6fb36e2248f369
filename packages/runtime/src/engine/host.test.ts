import { describe, expect, test } from "vitest";
import { randomModel } from "../../test/random-model.ts";
import { hasExactDot } from "../../test/relaxed-dot.ts";
import { Heap } from "./heap.ts";
import { BASE, bestEngine, compileKernels, hasExactRelaxed, hasSimd } from "./host.ts";
import { decodeModule, instantiateKernels } from "./kernels.ts";
import * as ROWS from "./layout/rows.ts";
import { agree } from "./self-test.ts";
import { engineRelaxedWasm, engineWasm } from "./wasm-bytes.generated.ts";
import { createWasmEngine } from "./wasm-engine.ts";

describe("the host", () => {
  test("has SIMD, and a best engine that it can run", async () => {
    expect(hasSimd()).toBe(true);
    const best = await bestEngine();
    expect(["simd", "relaxed"]).toContain(best);
    if (best === "relaxed") expect(await hasExactRelaxed()).toBe(true);
  });

  test("has the relaxed engine exactly where it has an exact dot product of 7-bit bytes", async () => {
    expect(await hasExactRelaxed()).toBe(hasExactDot);
  });

  const relaxed = () => createWasmEngine(randomModel(1), { engine: "relaxed" });

  test.skipIf(!hasExactDot)("is given the relaxed engine that it has", async () => {
    expect((await relaxed()).name).toBe("relaxed");
  });

  test.skipIf(hasExactDot)("is refused the relaxed engine that it does not have, in one sentence", async () => {
    await expect(relaxed()).rejects.toMatchObject({ code: "engine" });
  });
});

test("kernels write nothing but the same few constants when they come to a memory", async () => {
  const constants = await Promise.all(
    [engineWasm, engineRelaxedWasm]
      .filter((base64) => WebAssembly.validate(decodeModule(base64)))
      .map(async (base64) => {
        const { memory } = new Heap(BASE, false);
        const bytes = new Uint8Array(memory.buffer);
        bytes.fill(0x55, BASE);
        await instantiateKernels(await WebAssembly.compile(decodeModule(base64)), memory);
        expect(bytes.subarray(BASE).every((byte) => byte === 0x55)).toBe(true);
        return bytes.slice(0, BASE);
      }),
  );
  expect(constants[0]?.some((byte) => byte !== 0)).toBe(true);
  for (const other of constants) expect(other).toEqual(constants[0]);
});

describe("the self-test", () => {
  test("passes kernels that agree", async () => {
    const heap = new Heap(BASE, false);
    const module = await compileKernels("simd", false);
    const one = await instantiateKernels(module, heap.memory);
    expect(agree(heap, one, await instantiateKernels(module, heap.memory))).toBe(true);
  });

  test.each([
    ["drops a product", 0],
    ["is off by one in one row of one token", 1],
  ])("refuses kernels whose product %s", async (_, error) => {
    const heap = new Heap(BASE, false);
    const kernels = await instantiateKernels(await compileKernels("simd", false), heap.memory);
    const wrong: typeof kernels = {
      ...kernels,
      linear: (map, x, tokens, y, from, to, part) => {
        kernels.linear(map, x, tokens, y, from, to - (error === 0 ? 1 : 0), part);
        const words = heap.i32;
        const last = (words[y / 4 + ROWS.data] ?? 0) / 4 + 6;
        if (error === 1) words[last] = (words[last] ?? 0) + 1;
      },
    };
    expect(agree(heap, kernels, wrong)).toBe(false);
  });
});
