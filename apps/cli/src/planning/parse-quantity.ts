/** Numbers as people type them. */
import { refuseUsage } from "../errors.ts";

const FACTORS: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, b: 1e9, g: 1e9, t: 1e12 };

/** `50B`, `1.5T`, `2GB`, `5000000`: a positive number, K, M, B or G, and T being powers of 1000. Throws CliError `usage`. */
export function parseQuantity(flag: string, text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(?:([kmbgt])(?:b|i?b)?)?$/i.exec(text.replaceAll("_", ""));
  const value = Number(match?.[1]) * (FACTORS[match?.[2]?.toLowerCase() ?? ""] ?? 1);
  if (!match || !(value >= 1)) return refuseUsage(`--${flag} ${text} is not a number such as 50B, 1.5T or 2GB`);
  return Math.round(value);
}
