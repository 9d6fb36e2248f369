import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expenseOf, tinyLexical } from "@s7l/fixtures";
import type { LexicalTable } from "@s7l/format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readJson, s7MiniPath, sharedPath } from "../../test/reference.ts";
import { openTokenizer } from "../tokenizer/tokenizer.ts";
import { createLexicalRouter } from "./lexical-router.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The routes of a text that comes in these pieces. */
function routes(table: LexicalTable, pieces: readonly (string | Uint8Array)[]): readonly number[] {
  const { step } = createLexicalRouter(table)();
  return pieces.map((piece) => step(typeof piece === "string" ? utf8(piece) : piece));
}

const last = (table: LexicalTable, text: string): number | undefined => routes(table, [text])[0];

/** The rule in characters, as it is written down: decode what the window holds whole, then compare strings. */
function routeByCharacters(table: LexicalTable, text: string): number {
  const bytes = utf8(text);
  let start = Math.max(0, bytes.length - table.windowBytes);
  while (start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
  const window = new TextDecoder().decode(bytes.subarray(start));
  const lower = [...window].map((c) => (c >= "A" && c <= "Z" ? c.toLowerCase() : c)).join("");
  for (const { triggers, caseInsensitive, digitPercentAbove, expert } of table.domains) {
    if (triggers.some((trigger) => (caseInsensitive ? lower : window).includes(trigger))) return expert;
    const characters = [...window];
    const digits = characters.filter((c) => c >= "0" && c <= "9").length;
    if (digitPercentAbove !== undefined && 100 * digits > digitPercentAbove * characters.length) return expert;
  }
  return table.fallback.expert;
}

describe("the lexical router", () => {
  test.each([
    { text: "", expert: 3 },
    { text: "plain words", expert: 3 },
    { text: "def f", expert: 0 },
    { text: "Def f", expert: 3 },
    { text: "x = {", expert: 0 },
    { text: "x = y", expert: 1 },
    { text: "because", expert: 2 },
    { text: "BeCaUsE", expert: 2 },
    { text: "123 abcdefg", expert: 3 }, // 3 of 11 characters: not above 30 %
    { text: "1234 abcdefg", expert: 1 }, // 4 of 12
    { text: "123 abcdéf", expert: 3 }, // 3 of 10 characters is 30 %, not above
    { text: "123 abcdé", expert: 1 }, // 3 of 9 characters; of its 10 bytes it would not be
    { text: `=${"a".repeat(63)}`, expert: 1 },
    { text: `=${"a".repeat(64)}`, expert: 3 },
    { text: `def ${"a".repeat(61)}`, expert: 3 }, // the window begins within the trigger
    { text: `${"1".repeat(18)}${"é".repeat(23)}`, expert: 1 }, // 64 bytes: 18 of 41
  ])("sends $text to expert $expert", ({ text, expert }) => {
    expect(last(tinyLexical, text)).toBe(expert);
    expect(routeByCharacters(tinyLexical, text)).toBe(expert);
  });

  test("keeps what lies before the window out, and does not count a character that its edge cuts", () => {
    const table: LexicalTable = {
      windowBytes: 4,
      domains: [{ name: "digits", expert: 1, triggers: [], caseInsensitive: 0, digitPercentAbove: 50 }],
      fallback: { name: "rest", expert: 0 },
    };
    // Last four bytes: the last two of "€", "1", "a". One digit of two whole characters is not above half.
    expect(last(table, "€1a")).toBe(0);
    // Last four bytes: the last one of "€", "12a".
    expect(last(table, "€12a")).toBe(1);
  });

  test("does not count a character whose last bytes have not come yet", () => {
    const table: LexicalTable = {
      windowBytes: 8,
      domains: [{ name: "digits", expert: 1, triggers: [], caseInsensitive: 0, digitPercentAbove: 50 }],
      fallback: { name: "rest", expert: 0 },
    };
    expect(routes(table, ["1", utf8("🙂").slice(0, 3), utf8("🙂").slice(3)])).toEqual([1, 1, 0]);
  });

  test("searches the lowercased window for triggers as they are written", () => {
    const table: LexicalTable = {
      windowBytes: 64,
      domains: [
        { name: "upper", expert: 1, triggers: ["Why"], caseInsensitive: 1 },
        { name: "umlaut", expert: 2, triggers: ["über"], caseInsensitive: 1 },
      ],
      fallback: { name: "rest", expert: 0 },
    };
    expect(last(table, "Why")).toBe(0); // "why" does not hold "Why"
    expect(last(table, "ÜBER")).toBe(0); // only ASCII is lowercased
    expect(last(table, "üBER")).toBe(2);
  });

  test("takes the first domain in order that matches", () => {
    expect(last(tinyLexical, "because = {")).toBe(0);
    expect(last(tinyLexical, "because =")).toBe(1);
  });

  test("adds nothing for a token without bytes", () => {
    expect(routes(tinyLexical, ["=", new Uint8Array(), "a".repeat(63), new Uint8Array(), "a"])).toEqual([
      1, 1, 1, 1, 3,
    ]);
  });

  test("starts every sequence with an empty context", () => {
    const start = createLexicalRouter(tinyLexical);
    expect(start().step(utf8("="))).toBe(1);
    expect(start().step(utf8("a"))).toBe(3);
  });

  test("follows the rule on characters at every position of any text, however it is cut into tokens", () => {
    const words = fc.constantFrom(
      "def ",
      "{",
      "=",
      "because",
      "Because",
      "1",
      "99",
      "é",
      "€",
      "🙂",
      "x",
      " ",
      "abcdefghij",
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 60 }), (pieces) => {
        const expected = pieces.map((_, i) => routeByCharacters(tinyLexical, pieces.slice(0, i + 1).join("")));
        expect(routes(tinyLexical, pieces)).toEqual(expected);
      }),
      { numRuns: 500, seed: 7 },
    );
  });

  test("routes bytes that are no text at all", () => {
    const bytes = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 });
    fc.assert(
      fc.property(bytes, (pieces) => {
        for (const expert of routes(tinyLexical, pieces)) expect([0, 1, 2, 3]).toContain(expert);
      }),
      { seed: 7 },
    );
  });
});

/** The rule in bytes, as plainly as it can be: every trigger is looked for in the whole window, at every position. */
function routesPlainly(table: LexicalTable, pieces: readonly Uint8Array[]): readonly number[] {
  const binary = (bytes: Uint8Array) => String.fromCharCode(...bytes);
  let window = "";
  return pieces.map((piece) => {
    window = (window + binary(piece)).slice(-table.windowBytes);
    const whole = window.replace(/(?:[\xc0-\xff]|[\xe0-\xff][\x80-\xbf]|[\xf0-\xff][\x80-\xbf]{2})$/, "");
    const lower = whole.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    const digits = whole.match(/[0-9]/g)?.length ?? 0;
    const characters = whole.match(/[^\x80-\xbf]/g)?.length ?? 0;
    const match = table.domains.find(
      ({ triggers, caseInsensitive, digitPercentAbove }) =>
        triggers.some((trigger) => (caseInsensitive ? lower : whole).includes(binary(utf8(trigger)))) ||
        (digitPercentAbove !== undefined && 100 * digits > digitPercentAbove * characters),
    );
    return (match ?? table.fallback).expert;
  });
}

describe("any table", () => {
  const letters = ["a", "b", "A", "B", "1", "é", "€", "🙂"];
  const triggers = fc.array(fc.constantFrom(...letters), { maxLength: 4 }).map((parts) => parts.join(""));
  const domain = fc.record(
    {
      name: fc.constant("some"),
      expert: fc.integer({ min: 0, max: 6 }),
      triggers: fc.array(triggers, { maxLength: 6 }),
      caseInsensitive: fc.constantFrom<0 | 1>(0, 1),
      digitPercentAbove: fc.integer({ min: 0, max: 100 }),
    },
    { requiredKeys: ["name", "expert", "triggers", "caseInsensitive"] },
  );
  const table = fc.record({
    windowBytes: fc.integer({ min: 1, max: 24 }),
    domains: fc.array(domain, { maxLength: 6 }),
    fallback: fc.constant({ name: "rest", expert: 7 }),
  });
  const text = fc.array(fc.constantFrom(...letters), { maxLength: 12 }).map((parts) => utf8(parts.join("")));
  const broken = fc.uint8Array({ maxLength: 6 });
  const cut = fc.tuple(text, fc.nat(30)).map(([bytes, at]) => bytes.subarray(at % (bytes.length + 1)));

  test("routes as it would if every trigger were looked for in the whole window, at every position", () => {
    const seen = new Set<number>();
    fc.assert(
      fc.property(table, fc.array(fc.oneof(text, cut, broken), { maxLength: 12 }), (table, pieces) => {
        const expected = routesPlainly(table, pieces);
        expect(routes(table, pieces)).toEqual(expected);
        for (const expert of expected) seen.add(expert);
      }),
      { numRuns: 3000, seed: 16 },
    );
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("costs a position no more for 3 MB of triggers and a window of 64 KiB", async () => {
    const many = Array.from({ length: 4096 }, (_, i) => `${i.toString(36).padStart(6, "0")}${"a".repeat(200)}`);
    const table: LexicalTable = {
      windowBytes: 1 << 16,
      domains: Array.from({ length: 4 }, (_, d) => ({
        name: "many",
        expert: 0,
        triggers: many.map((trigger) => `${d}${trigger}`),
        caseInsensitive: 1,
      })),
      fallback: { name: "rest", expert: 1 },
    };
    const { step } = createLexicalRouter(table)();
    const piece = utf8("a".repeat(16));
    const { milliseconds } = await expenseOf(() => {
      for (let at = 0; at < 4096; at++) expect(step(piece)).toBe(1);
    });
    // 64 KiB in all; one position was seconds, when each looked for every trigger.
    expect(milliseconds).toBeLessThan(4000);
  });
});

interface EvalText {
  readonly ids: readonly number[];
  readonly routes: string;
}

interface Router {
  readonly windowBytes: number;
  readonly fallback: string;
  readonly domains: readonly {
    readonly name: string;
    readonly expert: number;
    readonly triggers: readonly string[];
    readonly caseInsensitive: boolean;
    readonly digitPercentAbove?: number;
  }[];
}

function s7Table(): LexicalTable {
  const { router } = readJson<{ router: Router }>(join(s7MiniPath ?? "", "checkpoints/trunk_final/config.json"));
  const domains = router.domains.map(
    (domain) => ({ ...domain, caseInsensitive: domain.caseInsensitive ? 1 : 0 }) as const,
  );
  return { ...router, domains, fallback: { name: router.fallback, expert: 3 } };
}

describe.skipIf(!s7MiniPath)("on s7-mini's evaluation texts", () => {
  const folder = join(s7MiniPath ?? "", "eval");
  const files = s7MiniPath ? readdirSync(folder).filter((file) => !file.startsWith("task")) : [];

  test.each(files)("%s is routed as the reference is, at every position", (file) => {
    const sealed = readFileSync(join(s7MiniPath ?? "", "checkpoints/trunk_final/tokenizer.json"));
    const tokenizer = openTokenizer({ tokenizer: new Uint8Array(sealed), eos: [1] }, 4096);
    const texts = readJson<EvalText[]>(join(folder, file));
    expect(texts.length).toBeGreaterThan(0);
    for (const { ids, routes: expected } of texts) {
      const pieces = ids.map((id) => tokenizer?.bytes(id) ?? new Uint8Array());
      expect(routes(s7Table(), pieces).join("")).toBe(expected);
    }
  });

  test("vocab.json alone gives the same routes, as it spells bytes", () => {
    const sealed = readFileSync(join(s7MiniPath ?? "", "vocab.json"));
    const tokenizer = openTokenizer({ vocab: new Uint8Array(sealed), eos: [1] }, 4096);
    for (const { ids, routes: expected } of readJson<EvalText[]>(join(folder, "math.json"))) {
      const pieces = ids.map((id) => tokenizer?.bytes(id) ?? new Uint8Array());
      expect(routes(s7Table(), pieces).join("")).toBe(expected);
    }
  });
});

const original = sharedPath("reference/s7-int8");
describe.skipIf(!existsSync(original) || !s7MiniPath)("on the prompts of the public original", () => {
  test("a vocabulary of plain tokens is routed as the original routes it", () => {
    const tokenizer = openTokenizer(
      { vocab: new Uint8Array(readFileSync(join(original, "vocab.json"))), eos: [1] },
      384,
    );
    const { prompts } = readJson<{ prompts: { ids: number[]; experts: number[] }[] }>(join(original, "reference.json"));
    for (const { ids, experts } of prompts) {
      const pieces = ids.map((id) => tokenizer?.bytes(id) ?? new Uint8Array());
      expect(routes(s7Table(), pieces)).toEqual(experts);
    }
  });
});
