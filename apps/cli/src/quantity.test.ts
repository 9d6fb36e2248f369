import { expect, test } from "vitest";
import { formatBytes, formatCount, formatSeconds } from "./quantity.ts";

test.each([
  [0, "0 B"],
  [9999, "9999 B"],
  [10_000, "10.0 kB"],
  [99_949, "99.9 kB"],
  [99_951, "100 kB"],
  [999_499, "999 kB"],
  [999_500, "1.0 MB"],
  [5_463_904, "5.5 MB"],
  [900e9, "900 GB"],
  [2 ** 53, "9.0 PB"],
])("writes %d bytes as %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, "0.00 s"],
  [420, "0.42 s"],
  [12_340, "12.3 s"],
  [99_940, "99.9 s"],
  [119_600, "2 min 0 s"],
  [250_000, "4 min 10 s"],
])("writes %d milliseconds as %s", (milliseconds, text) => {
  expect(formatSeconds(milliseconds)).toBe(text);
});

test("groups a count by thousands, whatever the machine's language", () => {
  expect(formatCount(5_043_392)).toBe("5,043,392");
  expect([0, 999, 1000, -1234, 2 ** 53 - 1].map(formatCount)).toEqual([
    "0",
    "999",
    "1,000",
    "-1,234",
    "9,007,199,254,740,991",
  ]);
});
