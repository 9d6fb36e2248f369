/**
 * Where the coefficients of `src/reference/elementary.ts` come from. Run `npx tsx -C @s7l/source scripts/fit-elementary.ts` to print them; the
 * test beside that file regenerates them. Floating point is allowed here: nothing of this runs in inference.
 *
 * Minimax fits by Lawson's iteration: weighted least squares on a fine grid, each weight multiplied by its residual until
 * the largest error is as small as the form allows.
 */

/** Coefficients c of Σ c_k basis_k(x) closest to target(x) in the largest weighted error over the grid. */
export function minimax(
  grid: readonly number[],
  basis: readonly ((x: number) => number)[],
  target: (x: number) => number,
  weight: (x: number) => number,
  iterations: number,
): readonly number[] {
  const rows = grid.map((x) => basis.map((b) => b(x) * weight(x)));
  const wanted = grid.map((x) => target(x) * weight(x));
  let weights = grid.map(() => 1 / grid.length);
  let fit: readonly number[] = [];
  for (let i = 0; i < iterations; i++) {
    fit = leastSquares(rows, wanted, weights);
    const residuals = rows.map((row, r) => Math.abs(dot(row, fit) - (wanted[r] ?? 0)));
    const next = residuals.map((e, r) => Math.max(1e-12, (weights[r] ?? 0) * e));
    const sum = next.reduce((a, b) => a + b, 0);
    weights = next.map((w) => Math.max(1e-12, w / sum));
  }
  return fit;
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);

/** Weighted least squares by QR (modified Gram-Schmidt), which keeps the digits that normal equations lose. */
function leastSquares(
  rows: readonly (readonly number[])[],
  wanted: readonly number[],
  weights: readonly number[],
): readonly number[] {
  const n = rows[0]?.length ?? 0;
  const roots = weights.map(Math.sqrt);
  const columns = Array.from({ length: n }, (_, k) => rows.map((row, r) => (row[k] ?? 0) * (roots[r] ?? 0)));
  const right = wanted.map((y, r) => y * (roots[r] ?? 0));
  const upper = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  const projected: number[] = [];
  for (const [k, column] of columns.entries()) {
    const norm = Math.sqrt(dot(column, column));
    const unit = column.map((x) => x / norm);
    const own = upper[k] ?? [];
    own[k] = norm;
    for (const [j, other] of columns.entries()) {
      if (j <= k) continue;
      const overlap = dot(unit, other);
      own[j] = overlap;
      for (let r = 0; r < other.length; r++) other[r] = (other[r] ?? 0) - overlap * (unit[r] ?? 0);
    }
    const share = dot(unit, right);
    projected.push(share);
    for (let r = 0; r < right.length; r++) right[r] = (right[r] ?? 0) - share * (unit[r] ?? 0);
  }
  const solution = new Array<number>(n).fill(0);
  for (let k = n - 1; k >= 0; k--) {
    let rest = projected[k] ?? 0;
    for (let j = k + 1; j < n; j++) rest -= (upper[k]?.[j] ?? 0) * (solution[j] ?? 0);
    solution[k] = rest / (upper[k]?.[k] ?? 1);
  }
  return solution;
}

const fixed = (values: readonly number[], bits: number): number[] => values.map((v) => Math.round(v * 2 ** bits));
const powers = (from: number, count: number, step: number) =>
  Array.from({ length: count }, (_, k) => (x: number) => x ** (from + step * k));
const linspace = (to: number, points: number): readonly number[] =>
  Array.from({ length: points }, (_, i) => ((i + 1) * to) / points);
const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
const one = (): number => 1;

/** 2^f - 1 = f (c0 + c1 f + …) on (0, 1], in fixed point. */
export const fitExp2 = (terms: number, bits: number): number[] =>
  fixed(
    minimax(linspace(1, 2000), powers(1, terms, 1), (f) => 2 ** f - 1, one, 200),
    bits,
  );

/** (π/2)^n / n! with alternating signs: the Taylor series of sin(x π/2) / x (n odd) and cos(x π/2) (n even) in x². */
export const taylor = (first: 0 | 1, terms: number, bits: number): number[] =>
  Array.from({ length: terms }, (_, k) => {
    const n = first + 2 * k;
    return Math.round(((-1) ** k * (Math.PI / 2) ** n * 2 ** bits) / factorial(n));
  });

/** The standard normal distribution function, by its Taylor series about 0 (|x| <= 6). */
export function normal(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / (2 * n);
    sum += term / (2 * n + 1);
  }
  return 0.5 + sum / Math.sqrt(2 * Math.PI);
}

/** The odd polynomial P with sigmoid(P(x)) closest to the normal distribution on [-5, 5]. */
export function fitNormal(terms: number, bits: number): number[] {
  const logit = (p: number): number => Math.log(p / (1 - p));
  // The slope of sigmoid turns an error of P into one of the result.
  const slope = (x: number): number => normal(x) * (1 - normal(x));
  return fixed(
    minimax(linspace(5, 2000), powers(1, terms, 2), (x) => logit(normal(x)), slope, 500),
    bits,
  );
}

/** 2 sqrt(2/π) (1, 0.044715): the tanh form of GELU is x · sigmoid of this polynomial. */
export const geluTanh = (bits: number): number[] =>
  fixed([2 * Math.sqrt(2 / Math.PI), 2 * Math.sqrt(2 / Math.PI) * 0.044715], bits);

/** log2(e). */
export const log2e = (bits: number): number => Math.round(Math.LOG2E * 2 ** bits);

if (process.argv[1]?.endsWith("fit-elementary.ts")) {
  process.stdout.write(
    `${JSON.stringify({ EXP2_Q15: fitExp2(4, 15), EXP2_Q30: fitExp2(6, 30), LOG2E_Q30: log2e(30), SINE_Q25: taylor(1, 6, 25), COSINE_Q25: taylor(0, 7, 25), NORMAL_Q24: fitNormal(4, 24), GELU_TANH_Q24: geluTanh(24) }, null, 1)}\n`,
  );
}
