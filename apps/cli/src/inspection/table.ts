/** How a file is described: one object, and lines for people. */
import type { Ink } from "../ink.ts";
import { oneLine } from "../printable.ts";

export interface Description {
  readonly json: object;
  readonly lines: readonly string[];
}

export interface DescribeOptions {
  readonly ink: Ink;
  /** Every row of long tables. */
  readonly all: boolean;
}

/** Rows of a table that fits a screen. */
const SHOWN = 20;

/** A titled table; columns are as wide as their widest cell, and all but the first and last are aligned to the right. */
export function table(
  title: string,
  rows: readonly (readonly string[])[],
  { ink, all }: DescribeOptions,
): readonly string[] {
  const shown = (all ? rows : rows.slice(0, SHOWN)).map((row) => row.map(oneLine));
  const widths = (shown[0] ?? []).map((_, column) =>
    shown.reduce((most, row) => Math.max(most, row[column]?.length ?? 0), 0),
  );
  const hidden = rows.length - shown.length;
  return [
    "",
    ink.bold(title),
    ...shown.map((row) =>
      row
        .map((cell, i) => {
          const last = i === row.length - 1;
          return last ? cell : i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0);
        })
        .join("  ")
        .replace(/^/, "  ")
        .trimEnd(),
    ),
    ...(hidden > 0 ? [ink.dim(`  … and ${hidden} more; --tensors shows all`)] : []),
  ];
}

/** Bytes as hexadecimal, so that any value can be JSON. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
