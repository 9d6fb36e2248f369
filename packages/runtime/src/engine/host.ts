/** What this host can run. Every answer gives the same logits; only speed differs. */
import type { EngineName } from "../engine.ts";
import { RuntimeError } from "../errors.ts";
import { Heap } from "./heap.ts";
import { decodeModule, instantiateKernels, type Kernels } from "./kernels.ts";
import { agree, race } from "./self-test.ts";
import { withSharedMemory } from "./shared-memory.ts";
import { engineRelaxedWasm, engineWasm } from "./wasm-bytes.generated.ts";

/** Bytes at the start of memory that a compiled module may use itself: its constants, the same in each module. */
export const BASE = 2048;

/** Whether this host runs the `simd` engine. */
export function hasSimd(): boolean {
  return typeof WebAssembly === "object" && WebAssembly.validate(decodeModule(engineWasm));
}

/** Whether this host knows relaxed SIMD; what it computes by it is another question. */
export function hasRelaxed(): boolean {
  return hasSimd() && WebAssembly.validate(decodeModule(engineRelaxedWasm));
}

/** Whether this host runs the `relaxed` engine, and exactly: the instruction exists and the self-test passes. */
export const hasExactRelaxed: () => Promise<boolean> = once(async () => (await contest()) !== undefined);

/**
 * The fastest engine of this host. Relaxed SIMD is chosen only where it is exact and also wins a race of a few milliseconds:
 * a host without a dot product of bytes emulates it, slower than the other. Asked once a process.
 */
export const bestEngine: () => Promise<EngineName> = once(async () => {
  if (!hasSimd()) return "interpreter";
  const contestants = await contest();
  if (!contestants) return "simd";
  const { heap, simd, relaxed } = contestants;
  return race(heap, simd, relaxed) ? "relaxed" : "simd";
});

/** The compiled kernels of an engine, for a memory of this kind. Throws RuntimeError `engine` where this host cannot have it. */
export async function compileKernels(name: "simd" | "relaxed", shared: boolean): Promise<WebAssembly.Module> {
  if (!hasSimd()) throw new RuntimeError("engine", 'this host has no WebAssembly SIMD: use the engine "interpreter"');
  if (name === "relaxed" && !(await hasExactRelaxed()))
    throw new RuntimeError("engine", 'this host has no exact relaxed SIMD: use the engine "simd"');
  const bytes = decodeModule(name === "simd" ? engineWasm : engineRelaxedWasm);
  return compile(shared ? withSharedMemory(bytes) : bytes);
}

async function contest() {
  if (!hasRelaxed()) return undefined;
  const heap = new Heap(BASE, false);
  const simd = await instantiate(engineWasm, heap);
  const relaxed = await instantiate(engineRelaxedWasm, heap);
  return agree(heap, simd, relaxed) ? { heap, simd, relaxed } : undefined;
}

async function instantiate(base64: string, { memory }: Heap): Promise<Kernels> {
  return instantiateKernels(await compile(decodeModule(base64)), memory);
}

/** Node 24 ends a process, with exit 13, that waits for nothing but a compilation; a timer that never comes holds it. */
async function compile(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  const hold = setInterval(() => undefined, 2 ** 30);
  try {
    return await WebAssembly.compile(bytes);
  } finally {
    clearInterval(hold);
  }
}

/** The host does not change: the first answer stands. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask();
    return answer;
  };
}
