/** How fast this machine reads memory: what no decode can pass. */
import { best } from "./timing.ts";

const BYTES = 256 << 20; // far beyond any cache
const PAGE = 1 << 16;

export interface MemorySpeed {
  /** GB/s of native code looking for a byte that is not there. */
  readonly native: number;
  /** GB/s of WebAssembly loading vectors of 128 bits and nothing else. */
  readonly wasm: number;
}

/** Both on one thread; each reads 256 MB that were written before, so that every page is memory of its own. */
export async function memorySpeed(): Promise<MemorySpeed> {
  const bytes = Buffer.alloc(BYTES, 2);
  const native = BYTES / (await best(() => bytes.indexOf(1), 1000)) / 1e9;
  const memory = new WebAssembly.Memory({ initial: BYTES / PAGE });
  new Uint8Array(memory.buffer).fill(2);
  const { exports } = await WebAssembly.instantiate(await WebAssembly.compile(readLoop()), { env: { memory } });
  const { read } = exports;
  if (typeof read !== "function") throw new Error("the read loop exports no function");
  return { native, wasm: BYTES / (await best(() => read(0, BYTES), 1000)) / 1e9 };
}

/**
 * A module of one function, read(from, to): loads each 128 bits of [from, to), a multiple of 128 bytes, and folds them by `or`,
 * so that no load can be left out. Binary format: WebAssembly 2.0, chapter 5.
 */
function readLoop(): Uint8Array<ArrayBuffer> {
  const text = (name: string) => [name.length, ...Buffer.from(name, "ascii")];
  const section = (id: number, ...body: readonly number[]) => [id, body.length, ...body];
  const I32 = 0x7f;
  const [FROM, TO, SUM] = [0, 1, 2];
  const get = (local: number) => [0x20, local];
  const or = [0xfd, 0x50];
  const load = (offset: number) => [...get(FROM), 0xfd, 0x00, 4, offset, ...or];
  const loop = [
    ...[0x03, 0x40, ...get(SUM)],
    ...[0, 16, 32, 48, 64, 80, 96, 112].flatMap(load),
    ...[0x21, SUM],
    ...[...get(FROM), 0x41, 0x80, 0x01, 0x6a, 0x22, FROM], // from += 128
    ...[...get(TO), 0x49, 0x0d, 0, 0x0b], // again while from < to
  ];
  const body = [1, 1, 0x7b, ...loop, ...get(SUM), 0xfd, 0x1b, 0, 0x0b];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, 2, I32, I32, 1, I32),
    ...section(2, 1, ...text("env"), ...text("memory"), 2, 0, 1),
    ...section(3, 1, 0),
    ...section(7, 1, ...text("read"), 0, 0),
    ...section(10, 1, body.length, ...body),
  ]);
}
