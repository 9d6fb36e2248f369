/**
 * Whether this host has the relaxed dot product of signed and 7-bit bytes, and exactly, by a module of the tests' own. The runtime's answer
 * is a self-test of the kernels that are under test: a broken one would leave the tests in silence.
 */

/** (a, b, to): i32x4 at `to` becomes the instruction of i8x16 at `a`, i8x16 at `b` and itself. */
const moduleOf = (...instruction: readonly number[]): Uint8Array<ArrayBuffer> =>
  Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 7, 1, 0x60, 3, 0x7f, 0x7f, 0x7f, 0], // a type: (i32, i32, i32)
    ...[3, 2, 1, 0], // a function of it
    ...[5, 3, 1, 0, 1], // a memory of one page
    ...[7, 16, 2, 6, ...new TextEncoder().encode("memory"), 2, 0, 3, ...new TextEncoder().encode("run"), 0, 0],
    ...[10, 31, 1, 29, 0, 0x20, 2],
    ...[0, 1, 2].flatMap((address) => [0x20, address, 0xfd, 0, 0, 0]), // v128.load
    ...[0xfd, ...instruction, 0xfd, 0x0b, 0, 0, 0x0b], // v128.store
  ]);

/** i32x4.relaxed_dot_i8x16_i7x16_add_s. */
const DOT = moduleOf(0x93, 0x02);
/** v128.bitselect: of the same shape, and everywhere. */
const SELECT = moduleOf(0xd2, 0x00);

/** True where the instruction is there and exact for every pair of bytes. */
export const hasExactDot: boolean = isThere() && isExact();

function isThere(): boolean {
  if (!WebAssembly.validate(SELECT)) throw new Error("the probe itself is wrong, or this host has no SIMD");
  return WebAssembly.validate(DOT);
}

function isExact(): boolean {
  const { memory, run } = new WebAssembly.Instance(new WebAssembly.Module(DOT)).exports;
  if (!(memory instanceof WebAssembly.Memory) || typeof run !== "function")
    throw new Error("the probe exports nothing");
  const a = new Int8Array(memory.buffer, 0, 16);
  const b = new Int8Array(memory.buffer, 16, 16);
  const sums = new Int32Array(memory.buffer, 32, 4);
  // A pair is 15 bits. Each in all lanes at once, where sums are largest, then beside its neighbours, then beside others.
  for (const step of [0, 1, 12345]) {
    for (let pair = 0; pair < 1 << 15; pair++) {
      const start = Math.imul(pair, 0x10001); // of either sign, so that additions wrap too
      const expected = [start, start, start, start];
      for (let lane = 0; lane < 16; lane++) {
        const bits = pair + lane * step;
        a[lane] = bits >> 7;
        b[lane] = bits & 127;
        expected[lane >> 2] = ((expected[lane >> 2] ?? 0) + (a[lane] ?? 0) * (b[lane] ?? 0)) | 0;
      }
      sums.fill(start);
      run(0, 16, 32);
      if (expected.some((sum, i) => sum !== sums[i])) return false;
    }
  }
  return true;
}
