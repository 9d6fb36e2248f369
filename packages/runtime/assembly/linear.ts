/** y = W x: int8 rows by 14-bit activations. The mirror of src/reference/linear.ts; which kernel takes which tokens. */
import * as MAP from "../src/engine/layout/map";
import { multiplyMany } from "./linear-many";
import { multiplyOne } from "./linear-one";
import { relaxedMany } from "./linear-relaxed";
import { worthSeven } from "./linear-seven";
import { linearTwoPlane } from "./linear-two-plane";
import { address, field, head, rowL1 } from "./memory";
import { FAST_L1 } from "./product";

/** y = W x for rows [from, to) of a map and all tokens; this part's or goes to its place in each head. */
export function linear(map: usize, x: usize, tokens: i32, y: usize, from: i32, to: i32, part: i32): void {
  if (address(map, MAP.plane) != 0) return linearTwoPlane(map, x, tokens, y, from, to, part);
  let t = 0;
  while (t < tokens) {
    const first = t;
    while (t < tokens && rowL1(head(x, t)) <= FAST_L1) t++;
    const fast = t - first;
    if (fast > 1 && to - from >= 4) several(map, x, first, fast, y, from, to, part);
    else for (let i = first; i < t; i++) multiplyOne(map, x, i, y, from, to, part);
    for (; t < tokens && rowL1(head(x, t)) > FAST_L1; t++) multiplyOne(map, x, t, y, from, to, part);
  }
}

@inline
function several(map: usize, x: usize, t: i32, tokens: i32, y: usize, from: i32, to: i32, part: i32): void {
  if (ASC_FEATURE_RELAXED_SIMD && !worthSeven(tokens, field(map, MAP.columns))) relaxedMany(map, x, t, tokens, y, from, to, part);
  else multiplyMany(map, x, t, tokens, y, from, to, part);
}
