import { expenseOf } from "@s7l/fixtures";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { spellBytes } from "./byte-alphabet.ts";
import { openTokenizer } from "./tokenizer.ts";

const MIB = 1 << 20;
const VALID = {
  version: "1.0",
  added_tokens: [{ id: 256, content: "<s>", special: true, normalized: false, lstrip: false }],
  normalizer: {
    type: "Sequence",
    normalizers: [{ type: "NFC" }, { type: "Replace", pattern: { Regex: "x+" }, content: "x" }],
  },
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [
      { type: "Split", pattern: { Regex: "\\p{N}{1,3}| ?\\p{L}+|\\s+(?!\\S)" }, behavior: "Isolated", invert: false },
      { type: "ByteLevel", add_prefix_space: false, use_regex: false },
    ],
  },
  post_processor: null,
  decoder: { type: "ByteLevel" },
  model: {
    type: "BPE",
    vocab: Object.fromEntries(Array.from({ length: 256 }, (_, byte) => [spellBytes(Uint8Array.of(byte)), byte])),
    merges: [],
  },
};

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** Opens a tokenizer and uses it; gives whether it could be, and throws what is no typed error. */
function used(tokenizer: Uint8Array): boolean {
  try {
    const opened = openTokenizer({ tokenizer, eos: [] }, 300);
    opened?.decode(opened.encode("a 12345  xx\n<s>é "));
    return true;
  } catch (error) {
    expect(error).toMatchObject({ name: "RuntimeError", code: "tokenizer" });
    return false;
  }
}

/** The value with `part` at the end of a way into it; ways into the vocabulary are as likely as any other. */
function replaced(whole: unknown, [step = 0, ...way]: readonly number[], part: unknown): unknown {
  if (typeof whole !== "object" || whole === null) return part;
  const entries = Object.entries(whole);
  const [key, inner] = entries[step % Math.max(1, entries.length)] ?? [];
  if (key === undefined) return part;
  const next = way.length === 0 ? part : replaced(inner, way, part);
  return Array.isArray(whole) ? whole.with(Number(key), next) : { ...whole, [key]: next };
}

describe("a stranger's tokenizer.json", () => {
  // The library says there what it does not understand, and goes on.
  beforeAll(() => void vi.spyOn(console, "warn").mockImplementation(() => undefined));
  afterAll(() => {
    vi.restoreAllMocks();
  });

  test("is one as it stands", () => {
    expect(used(encode(VALID))).toBe(true);
  });

  test("ends in a tokenizer or a typed error, whatever stands in place of any of its parts", async () => {
    const parts = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(
        "(a+)+b",
        "(",
        "\\p{Nonsense}",
        { Regex: "(a|a)*b" },
        { String: "" },
        "Sequence",
        "Unigram",
        -1,
        1e308,
      ),
    );
    let taken = 0;
    let slowest = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), parts, async (way, part) => {
        const file = encode(replaced(VALID, way, part));
        const { milliseconds } = await expenseOf(() => {
          if (used(file)) taken++;
        });
        slowest = Math.max(slowest, milliseconds);
      }),
      { numRuns: 600, seed: 12 },
    );
    expect(taken).toBeGreaterThan(0);
    expect(slowest).toBeLessThan(1000);
  });

  test.each([
    ["no bytes", new Uint8Array()],
    ["thirty megabytes of opening brackets", new Uint8Array(30 * MIB).fill(0x5b)],
    [
      "parts in parts, 10,000 deep",
      new TextEncoder().encode(
        JSON.stringify(VALID).replace(
          '"normalizer":',
          `"normalizer":${'{"type":"Sequence","normalizers":['.repeat(10_000)}`,
        ),
      ),
    ],
    [
      "a hundred thousand steps",
      encode({ ...VALID, normalizer: { type: "Sequence", normalizers: new Array(100_000).fill({ type: "NFC" }) } }),
    ],
    [
      "a thousand long patterns",
      encode({
        ...VALID,
        pre_tokenizer: {
          type: "Sequence",
          pretokenizers: new Array(1000).fill({
            type: "Split",
            pattern: { Regex: "[a&&[b]]".repeat(500) },
            behavior: "MergedWithNext",
            invert: false,
          }),
        },
      }),
    ],
    [
      "added tokens by the ten thousand, to be compared with each other",
      encode({
        ...VALID,
        normalizer: null,
        pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "first" },
        added_tokens: Array.from({ length: 20_000 }, (_, at) => ({
          id: 256 + at,
          content: `<${at}${"a".repeat(50)}>`,
          normalized: at % 2 === 0,
        })),
      }),
    ],
    [
      "a pattern of a megabyte",
      encode({ ...VALID, normalizer: { type: "Replace", pattern: { Regex: "a".repeat(MIB) }, content: "" } }),
    ],
    [
      "a pattern of a million groups",
      encode({
        ...VALID,
        normalizer: { type: "Replace", pattern: { Regex: "(".repeat(MIB) + ")".repeat(MIB) }, content: "" },
      }),
    ],
    [
      "a pattern of a hundred thousand classes",
      encode({
        ...VALID,
        normalizer: { type: "Replace", pattern: { Regex: "[a&&[b]]".repeat(100_000) }, content: "" },
      }),
    ],
  ])("is refused where it is %s, in less than a second and without 64 MiB", async (_, file) => {
    const { milliseconds, bytes } = await expenseOf(() => expect(used(file)).toBe(false));
    expect(milliseconds).toBeLessThan(1000);
    expect(bytes).toBeLessThan(64 * MIB);
  });
});
