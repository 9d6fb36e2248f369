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

/** A printed figure: the numbers that it can stand for, and those that it says. */
export interface Printed {
  readonly low: number;
  readonly high: number;
  /** Both readings of a figure in KB, both ends of a range. */
  readonly stated: readonly number[];
}

const SUFFIX: Readonly<Record<string, number>> = { "": 1, K: 1e3, M: 1e6, B: 1e9, G: 1e9, T: 1e12 };

/**
 * The numbers that a printed figure can stand for: half a unit of its last digit to each side, 1 % where it says about,
 * everything below where it says less. A figure in KB may be in units of 1000 or 1024: the seeds use both.
 */
export function parsePrinted(text: string): Printed {
  const match = /^([~≈<]?)([\d.,]+)(?:-([\d.,]+))?(%|([KMBGT]?)(B?))$/.exec(text);
  if (!match) throw new RangeError(`${text} is not a printed figure`);
  const [, mark, from = "", to, unit = "", letter = "", bytes = ""] = match;
  // `B` alone is a billion: figures of bytes have a letter before it.
  const factor = unit === "%" ? 0.01 : letter === "" && bytes === "B" ? 1e9 : (SUFFIX[letter] ?? 1);
  const number = (digits: string): number => Number(digits.replaceAll(",", ""));
  const half = (0.5 * factor) / 10 ** (from.split(".")[1]?.length ?? 0);
  const low = number(from) * factor;
  const high = number(to ?? from) * factor;
  if (mark === "<") return { low: 0, high: low, stated: [low] };
  if (to !== undefined) return { low, high, stated: [low, high] };
  // A whole number without a unit is exact.
  if (unit === "" && mark === "") return { low, high, stated: [low] };
  const slack = mark === "" ? half : Math.max(half, 0.01 * low);
  const stated = letter === "K" && bytes === "B" ? [low, low * 1.024] : [low];
  return { low: low - slack, high: (stated.at(-1) ?? low) + slack, stated };
}

/** Each figure of a seed that a config determines, beside ours. */
export function compareFigures(plan: Plan, { figures }: PublishedModel): readonly Comparison[] {
  return figures.flatMap((figure) => {
    const ours = figure.ours(plan);
    return ours === undefined ? [] : [compareFigure(figure, ours)];
  });
}

function compareFigure({ section, what, published, note }: Figure, ours: number): Comparison {
  const { low, high, stated } = parsePrinted(published);
  const agrees = ours >= low && ours <= high;
  const [first = 0, ...others] = stated;
  const nearest = others.reduce(
    (best, value) => (Math.abs(value - ours) < Math.abs(best - ours) ? value : best),
    first,
  );
  const within = published.includes("-") && agrees;
  return { section, what, published, ours, difference: within ? 0 : ours / nearest - 1, agrees, ...(note && { note }) };
}
