/** Moves whole rows with their heads: the tokens of one expert of a routed stage out of the stream and back. */
import * as HEAD from "../src/engine/layout/head";
import * as ROWS from "../src/engine/layout/rows";
import { address, head, row } from "./memory";

/** to[i] = from[list[i]]. */
export function pickRows(from: usize, list: usize, count: i32, to: usize, part: i32, parts: i32): void {
  for (let i = part; i < count; i += parts) copy(from, load<i32>(list + (<usize>i << 2)), to, i);
}

/** to[list[i]] = from[i]. */
export function putRows(from: usize, list: usize, count: i32, to: usize, part: i32, parts: i32): void {
  for (let i = part; i < count; i += parts) copy(from, i, to, load<i32>(list + (<usize>i << 2)));
}

function copy(from: usize, i: i32, to: usize, j: i32): void {
  memory.copy(row(to, j, 4), row(from, i, 4), address(from, ROWS.stride) << 2);
  memory.copy(head(to, j), head(from, i), HEAD.bytes);
}
