import { FormatError } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { Finding, RULES, refuse, VerifyError } from "./errors.ts";
import { attribute, Ledger } from "./ledger.ts";

describe("the ledger", () => {
  test("says of each rule whether it holds, is broken, or was not reached", () => {
    const ledger = new Ledger();
    ledger.settle("V1", "V2");
    expect(() => ledger.check("V3", () => refuse("chunk", "no match", "t#0"))).toThrow(VerifyError);
    expect(ledger.verdicts()).toEqual([
      { id: "V0", ok: false, code: "not-reached", message: expect.stringContaining("V3") },
      { id: "V1", ok: true },
      { id: "V2", ok: true },
      { id: "V3", ok: false, code: "chunk", message: "no match", at: "t#0" },
      ...["V4", "V5", "V6", "V7"].map((id) => ({ id, ok: false, code: "not-reached", message: expect.any(String) })),
    ]);
  });

  test("counts a rule that was settled and then broken as broken", () => {
    const ledger = new Ledger();
    ledger.settle(...RULES);
    expect(() => ledger.check("V6", () => refuse("replay", "off"))).toThrow(VerifyError);
    expect(ledger.verdicts().filter(({ ok }) => !ok)).toEqual([
      { id: "V6", ok: false, code: "replay", message: "off" },
    ]);
  });

  test("gives what a check gives, at once or later", async () => {
    const ledger = new Ledger();
    expect(ledger.check("V0", () => 5)).toBe(5);
    expect(await ledger.checkAsync("V0", async () => 6)).toBe(6);
    await expect(ledger.checkAsync("V0", async () => refuse("padding", "set"))).rejects.toMatchObject({
      rule: "V0",
      code: "padding",
    });
  });
});

describe("attribute", () => {
  test.each([
    ["schema", "schema"],
    ["canonical", "not-canonical"],
    ["header", "header"],
    ["layout", "limit"],
    ["content", "tensor-content"],
    ["fold", "fold"],
    ["range", "file-size"],
  ] as const)("makes FormatError %s a finding %s", (from, to) => {
    expect(attribute("V1", new FormatError(from, "m", "place"))).toMatchObject({
      name: "VerifyError",
      rule: "V1",
      code: to,
      at: "place",
    });
  });

  test("leaves failures of the source and foreign errors as they are", () => {
    for (const error of [
      new FormatError("io", "gone"),
      new DOMException("stop", "AbortError"),
      new Error("no engine"),
    ]) {
      expect(attribute("V1", error)).toBe(error);
    }
  });

  test("keeps the rule that an error already has", () => {
    const error = attribute("V0", new Finding("padding", "set"));
    expect(attribute("V3", error)).toBe(error);
  });

  test("fails closed and typed on an error of its own", () => {
    expect(attribute("V3", new RangeError("Invalid array length"))).toMatchObject({
      name: "VerifyError",
      rule: "V3",
      code: "internal",
    });
  });
});
