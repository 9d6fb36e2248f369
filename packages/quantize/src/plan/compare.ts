/** Published figures beside ours: what a printed figure means, and whether ours is that. */
import type { Plan } from "./plan.ts";
import type { Figure, PublishedModel } from "./published.ts";

/** One published figure beside ours. */
export interface Comparison {
  readonly section: string;
  readonly what: string;
  readonly published: string;
  readonly ours: number;
  /** ours / published - 1; 0 within a published range, the distance to its nearer end outside. */
  readonly difference: number;
  /** Whether ours, rounded as the figure is, is the figure; `~` allows 1 %. */
  readonly agrees: boolean;
  readonly note?: string;
}

/** One reading of a printed figure: what it says, and from where to where a number rounds to it. */
export interface Reading {
  readonly low: number;
  readonly stated: number;
  readonly high: number;
}

/** `B` alone is a billion: figures of bytes have a letter before it. */
const UNITS: Readonly<Record<string, number>> = {
  "%": 0.01,
  K: 1e3,
  M: 1e6,
  MB: 1e6,
  B: 1e9,
  GB: 1e9,
  TB: 1e12,
};

/**
 * The readings of a printed figure. Half a unit of its last digit lies to each side, 1 % where it says about; all below where it
 * says less. KB has two readings, of 1000 and of 1024 bytes: the seeds use both. Throws RangeError for what is no figure.
 */
export function parsePrinted(text: string): readonly Reading[] {
  const match = /^([~≈<]?)([\d.,]+)(?:-([\d.,]+))?(%|[KMBGT]?B?)$/.exec(text);
  if (!match) throw new RangeError(`${text} is not a printed figure`);
  const [, mark, from = "", to, unit = ""] = match;
  return (unit === "KB" ? [1000, 1024] : [UNITS[unit] ?? 1]).map((factor): Reading => {
    const stated = Number(from.replaceAll(",", "")) * factor;
    if (mark === "<") return { low: 0, stated, high: stated };
    if (to !== undefined) return { low: stated, stated, high: Number(to.replaceAll(",", "")) * factor };
    // A whole number without a unit is exact.
    const half = unit === "" && mark === "" ? 0 : (0.5 * factor) / 10 ** (from.split(".")[1]?.length ?? 0);
    const slack = mark === "" ? half : Math.max(half, 0.01 * stated);
    return { low: stated - slack, stated, high: stated + slack };
  });
}

/** Each figure of a seed that a config determines, beside ours. */
export function compareFigures(plan: Plan, { figures }: PublishedModel): readonly Comparison[] {
  return figures.flatMap((figure) => {
    const ours = figure.ours(plan);
    return ours === undefined ? [] : [compareFigure(figure, ours)];
  });
}

function compareFigure({ section, what, published, note }: Figure, ours: number): Comparison {
  const readings = parsePrinted(published);
  const agrees = readings.some(({ low, high }) => ours >= low && ours <= high);
  // Between the ends of a range there is no difference; beyond, it is to the nearer end.
  const distances = readings.map(({ low, stated, high }) => {
    const end = published.includes("-") ? Math.min(high, Math.max(low, ours)) : stated;
    return ours / end - 1;
  });
  const difference = distances.reduce((best, d) => (Math.abs(d) < Math.abs(best) ? d : best));
  return { section, what, published, ours, difference, agrees, ...(note && { note }) };
}
