/** Products of whole rows: the value residual, and the tensor product of TPA. */
import { addRow, sumExponent } from "./block";
import { scaleRow } from "./experts";
import { bits32, roundDiv } from "./integer";
import { head, row, rowBits, rowExponent, setHead } from "./memory";
import { shiftRow } from "./vector";

/** v = λ v + (1 - λ) first, each factor as a Q30 number times 2^exponent; `scratch` holds a row. */
export function mixValues(
  v: usize,
  first: usize,
  factor: i32,
  exponent: i32,
  rest: i32,
  restExponent: i32,
  tokens: i32,
  width: i32,
  scratch: usize,
  part: i32,
  parts: i32,
): void {
  const n = (width + 7) & ~7;
  for (let t = part; t < tokens; t += parts) {
    const x = row(v, t, 4);
    const h = head(v, t);
    const a = bits32(<u32>scaleRow(x, x, factor, n));
    const b = bits32(<u32>scaleRow(scratch, row(first, t, 4), rest, n));
    const e = rowExponent(head(first, t)) + restExponent;
    const or = addRow(x, x, a, rowExponent(h) + exponent, scratch, b, e, n);
    setHead(h, sumExponent, or);
  }
}

/** y[h, d] = (1 / rank) Σ_r a[h, r] b[r, d], from 20-bit factors; a and b are overwritten. */
export function tensorProduct(
  a: usize,
  b: usize,
  tokens: i32,
  heads: i32,
  rank: i32,
  size: i32,
  y: usize,
  part: i32,
  parts: i32,
): void {
  const width = heads * size;
  const padded = (width + 7) & ~7;
  for (let t = part; t < tokens; t += parts) {
    const left = row(a, t, 4);
    const right = row(b, t, 4);
    const exponent = narrow(left, head(a, t), heads * rank) + narrow(right, head(b, t), rank * size) + 11;
    const to = row(y, t, 4);
    let or = 0;
    for (let h = 0; h < heads; h++) {
      for (let d = 0; d < size; d++) {
        let sum: i64 = 0;
        for (let r = 0; r < rank; r++) {
          sum += <i64>load<i32>(left + (<usize>(h * rank + r) << 2)) * <i64>load<i32>(right + (<usize>(r * size + d) << 2));
        }
        const m = <i32>roundDiv(sum, <i64>rank * 2048);
        store<i32>(to + (<usize>(h * size + d) << 2), m);
        or |= abs(m);
      }
    }
    memory.fill(to + (<usize>width << 2), 0, <usize>(padded - width) << 2);
    setHead(head(y, t), exponent, or);
  }
}

/** Brings a row to 20 bits and gives its exponent. */
function narrow(x: usize, h: usize, width: i32): i32 {
  const bits = rowBits(h);
  const exponent = rowExponent(h);
  if (bits == 0) return exponent;
  shiftRow(x, x, (width + 7) & ~7, 20 - bits);
  return exponent + bits - 20;
}
