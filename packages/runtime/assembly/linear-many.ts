/** Several tokens by a matrix, each part of it by the kernel that suits it. */
import * as MAP from "../src/engine/layout/map";
import { multiplyPanels } from "./linear-panels";
import { multiplySeven, sevenRows, worthSeven } from "./linear-seven";
import { field } from "./memory";
import { clearOrs, finishAll, workspace } from "./product";

/** Rows [from, to), four or more, of two or more tokens whose sums fit in 32 bits. */
export function multiplyMany(map: usize, xs: usize, t: i32, tokens: i32, y: usize, from: i32, to: i32, part: i32): void {
  clearOrs(t, tokens);
  const seven = worthSeven(tokens, field(map, MAP.columns)) ? (to - from) & ~(sevenRows() - 1) : 0;
  if (seven != 0) multiplySeven(map, xs, t, tokens, y, from, from + seven, workspace);
  // Fewer than four rows that are left are done again with their neighbours.
  if (from + seven < to) multiplyPanels(map, xs, t, tokens, y, max(from, min(from + seven, to - 4)), to, workspace);
  finishAll(map, xs, y, t, tokens, to, part);
}
