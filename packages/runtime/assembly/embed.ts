/** Rows of the embedding. The mirror of src/reference/linear.ts. */
import * as MAP from "../src/engine/layout/map";
import { address, field, head, row, setHead } from "./memory";
import { orLanes } from "./vector";

/** Rows of the embedding, for the ids of this part's tokens. */
export function embed(map: usize, ids: usize, tokens: i32, y: usize, part: i32, parts: i32): void {
  const columns = field(map, MAP.columns);
  const padded = (columns + 7) & ~7;
  const exponent = field(map, MAP.exponent) + 2;
  for (let t = part; t < tokens; t += parts) {
    const id = <usize>load<u32>(ids + (<usize>t << 2));
    const w = address(map, MAP.data) + id * <usize>field(map, MAP.stride);
    const multiplier = i32x4.splat(load<i32>(address(map, MAP.multipliers) + (id << 2)));
    const two = i32x4.splat(2);
    const out = row(y, t, 4);
    let or = i32x4.splat(0);
    // Strides are multiples of 16 and zero beyond the columns.
    for (let c: usize = 0; c < <usize>padded; c += 8) {
      const v = v128.load8x8_s(w + c);
      const low = i32x4.shr_s(i32x4.add(i32x4.mul(i32x4.extend_low_i16x8_s(v), multiplier), two), 2);
      const high = i32x4.shr_s(i32x4.add(i32x4.mul(i32x4.extend_high_i16x8_s(v), multiplier), two), 2);
      v128.store(out + (c << 2), low);
      v128.store(out + (c << 2), high, 16);
      or = v128.or(or, v128.or(i32x4.abs(low), i32x4.abs(high)));
    }
    setHead(head(y, t), exponent, orLanes(or));
  }
}
