import { describe, expect, test } from "vitest";
import { readPem, writePem } from "./pem.ts";

const refused = expect.objectContaining({ name: "SignatureError", code: "key-form" });
const block = (body: string, label = "KEY"): string => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;

describe("PEM", () => {
  test.each([1, 47, 48, 49, 96, 1000])("of %i bytes is written in lines of 64, and read again", (size) => {
    const der = Uint8Array.from({ length: size }, (_, i) => i & 255);
    const text = writePem({ label: "A KEY 2", der });
    const lines = text.split("\n");
    expect([lines[0], lines.at(-2), lines.at(-1)]).toEqual(["-----BEGIN A KEY 2-----", "-----END A KEY 2-----", ""]);
    expect(lines.slice(1, -3).every((line) => line.length === 64)).toBe(true);
    expect(lines.at(-3)).toMatch(/^.{1,64}$/);
    expect(readPem(text)).toEqual({ label: "A KEY 2", der });
    expect(readPem(text.replaceAll("\n", "\r\n"))).toEqual({ label: "A KEY 2", der });
  });

  test.each([
    ["with nothing behind it", block("AAAA").trimEnd()],
    ["with empty lines behind it", `${block("AAAA")}\r\n \n`],
    ["in lines of any length", block("A\nA\r\nA\nA")],
  ])("is read %s", (_, text) => {
    expect(readPem(text)).toEqual({ label: "KEY", der: new Uint8Array(3) });
  });

  test("is read up to 16 KiB, and no further", () => {
    const text = block("AAAA");
    expect(readPem(text.padEnd(1 << 14, "\n"))).toEqual(readPem(text));
    expect(() => readPem(text.padEnd((1 << 14) + 1, "\n"))).toThrow(refused);
  });

  test.each([
    ["two blocks", block("AAAA") + block("AAAA")],
    ["a line before it", `key:\n${block("AAAA")}`],
    ["an empty line before it", `\n${block("AAAA")}`],
    ["something after it", `${block("AAAA")}x`],
    ["another label at its end", block("AAAA").replace("END KEY", "END KEX")],
    ["no body", "-----BEGIN KEY-----\n-----END KEY-----\n"],
    ["an empty body", block("")],
    ["headers", block("Proc-Type: 4,ENCRYPTED\n\nAAAA")],
    ["spaces in its body", block("AA AA")],
    ["a carriage return within a line", block("AA\rAA")],
    ["a label in small letters", block("AAAA", "key")],
    ["no label", block("AAAA", "")],
    ["a label of 41 letters", block("AAAA", "K".repeat(41))],
    ["Base64 that is none", block("AAA")],
    ["more than any key takes", block("AAAA".repeat(5000))],
    ["its end on the line of its body", "-----BEGIN KEY-----\nAAAA-----END KEY-----\n"],
  ])("is refused with %s", (_, text) => {
    expect(() => readPem(text)).toThrow(refused);
  });
});
