import { expect, test } from "vitest";
import { inkFor } from "../ink.ts";
import { table } from "./table.ts";

test("a table has as many rows as there are, beyond the arguments that a call takes", () => {
  const rows = Array.from({ length: 200_000 }, (_, i) => [`t${i}`, "1", ""]);
  const lines = table("Tensors", rows, { ink: inkFor({ write: () => true }), all: true });
  expect(lines).toHaveLength(2 + rows.length);
  expect(lines[2]).toBe("  t0       1");
});
