/** What attention gives, as the activation of the projection after it. */
import * as ATTENTION from "../src/engine/layout/attention";
import { quantiseRow, quantiseShift } from "./block";
import { pad8 } from "./heads";
import { bits32 } from "./integer";
import { field, head, row, setActivationHead } from "./memory";
import { shiftRow } from "./vector";

/** Heads side by side at one exponent, rounded to a 14-bit activation. */
export function joinHeads(
  attention: usize,
  heads: usize,
  info: usize,
  tokens: i32,
  to: usize,
  scratch: usize,
  part: i32,
  parts: i32,
): void {
  const count = field(attention, ATTENTION.heads);
  const size = field(attention, ATTENTION.valueSize);
  const valuePad = pad8(size);
  const width = count * size;
  const padded = pad8(width);
  for (let t = part; t < tokens; t += parts) {
    let top = i32.MIN_VALUE;
    for (let h = 0; h < count; h++) {
      const at = info + (<usize>(t * count + h) << 3);
      const bits = load<i32>(at, 4);
      if (bits != 0) top = max(top, load<i32>(at) + bits);
    }
    const exponent = top == i32.MIN_VALUE ? 0 : top - 29;
    let or = 0;
    for (let h = 0; h < count; h++) {
      const at = t * count + h;
      const k = load<i32>(info + (<usize>at << 3)) - exponent;
      const zero = load<i32>(info + (<usize>at << 3), 4) == 0;
      // Writes up to seven zeros beyond the head, which the next one overwrites.
      or |= shiftRow(scratch + (<usize>(h * size) << 2), heads + (<usize>(at * valuePad) << 2), valuePad, zero ? 0 : k);
    }
    memory.fill(scratch + (<usize>width << 2), 0, <usize>(((width + 31) & ~31) - width) << 2);
    const s = quantiseShift(bits32(<u32>or), 14);
    const q = row(to, t, 2);
    const l1 = quantiseRow(q, scratch, padded, s, 14, -8192);
    memory.fill(q + (<usize>padded << 1), 0, <usize>(((width + 31) & ~31) - padded) << 1);
    setActivationHead(head(to, t), exponent + s, l1);
  }
}
