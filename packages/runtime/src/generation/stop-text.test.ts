import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stopAt } from "./stop-text.ts";

function run(
  pieces: readonly string[],
  stops: readonly string[],
): { readonly text: string; readonly stopped: boolean } {
  const filter = stopAt(stops);
  let text = "";
  for (const piece of pieces) {
    const out = filter.push(piece);
    text += out.text;
    if (out.stopped) return { text, stopped: true };
  }
  return { text: text + filter.end(), stopped: false };
}

describe("stopAt", () => {
  test.each([
    { pieces: ["hello"], stops: [], text: "hello", stopped: false },
    { pieces: ["hello"], stops: [""], text: "hello", stopped: false },
    { pieces: ["a\n", "\nb"], stops: ["\n\n"], text: "a", stopped: true },
    { pieces: ["a\n", "b\n"], stops: ["\n\n"], text: "a\nb\n", stopped: false },
    { pieces: ["aab"], stops: ["ab"], text: "a", stopped: true },
    { pieces: ["xaby"], stops: ["xaby", "ab"], text: "x", stopped: true },
    { pieces: ["xab"], stops: ["b", "ab"], text: "x", stopped: true },
  ])("$pieces with stops $stops gives $text", ({ pieces, stops, text, stopped }) => {
    expect(run(pieces, stops)).toEqual({ text, stopped });
  });

  test("holds back only what may become a stop text", () => {
    const filter = stopAt(["END"]);
    expect(filter.push("some E")).toEqual({ text: "some ", stopped: false });
    expect(filter.push("xE")).toEqual({ text: "Ex", stopped: false });
    expect(filter.push("N")).toEqual({ text: "", stopped: false });
    expect(filter.end()).toBe("EN");
  });

  test("gives the same text however it is cut into pieces", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
    fc.assert(
      fc.property(
        letters,
        fc.array(
          letters.map((stop) => stop.slice(0, 4)),
          { maxLength: 3 },
        ),
        fc.nat(4),
        (text, stops, size) => {
          const pieces = text.match(new RegExp(`.{1,${size + 1}}`, "g")) ?? [];
          expect(run(pieces, stops)).toEqual(run([text], stops));
        },
      ),
      { numRuns: 2000, seed: 7 },
    );
  });
});
