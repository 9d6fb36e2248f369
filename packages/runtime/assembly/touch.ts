/** The only prefetch that WebAssembly has: a read whose result nobody waits for. */

/** What was read, kept so that no compiler may leave the reads out. */
let touched: i32 = 0;

/** Reads a byte of every cache line of [at, end). */
@inline
export function touch(at: usize, end: usize): void {
  let bytes = touched;
  for (; at < end; at += 64) bytes ^= load<u8>(at);
  touched = bytes;
}
