/** Matrices of two int8 planes (routers): Σ (254 hi + lo) x, in 64 bits. */
import * as MAP from "../src/engine/layout/map";
import { roundShift } from "./integer";
import { dotWide } from "./linear-one";
import { address, field, head, row, rowL1 } from "./memory";
import { finish, resultShift } from "./product";

/** Rows [from, to) of all tokens. The product with the multiplier may pass 63 bits, so it is rounded in two steps of one floor. */
export function linearTwoPlane(map: usize, xs: usize, tokens: i32, y: usize, from: i32, to: i32, part: i32): void {
  const columns = field(map, MAP.columns);
  const stride = <usize>field(map, MAP.stride);
  for (let t = 0; t < tokens; t++) {
    const s = resultShift(32385, rowL1(head(xs, t)), field(map, MAP.multiplierBits));
    const x = row(xs, t, 2);
    let or = 0;
    for (let r = from; r < to; r++) {
      const at = <usize>r * stride;
      const sum = 254 * dotWide(address(map, MAP.data) + at, x, columns) + dotWide(address(map, MAP.plane) + at, x, columns);
      const v = <i32>mulShiftWide(sum, load<i32>(address(map, MAP.multipliers) + (<usize>r << 2)), s);
      store<i32>(row(y, t, 4) + (<usize>r << 2), v);
      or |= abs(v);
    }
    finish(map, xs, y, t, s, or, to, part);
  }
}

/** round(a · b / 2^s) for |a| < 2^46, 0 <= b < 2^26. */
function mulShiftWide(a: i64, b: i64, s: i32): i64 {
  if (s < 26) return roundShift(a * b, s); // the result has 30 bits, so the product has 56
  const high = (a >> 26) * b;
  const low = (a & 0x3ffffff) * b + (((<i64>1) << <i64>s) >> 1);
  return (high + (low >> 26)) >> <i64>(s - 26);
}
