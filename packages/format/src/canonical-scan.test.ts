import * as fc from "fast-check";
import { Unpackr } from "msgpackr/unpack";
import { describe, expect, test } from "vitest";
import { encodeCanonical } from "./canonical.ts";
import { scanCanonical } from "./canonical-scan.ts";
import type { Value } from "./schema.ts";

/** Another reader of MessagePack, as a judge: where bytes are canonical, two readers must see one value. */
const judge = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number", copyBuffers: true });

const value: fc.Arbitrary<Value> = fc.letrec<{ any: Value }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 5 },
    fc.maxSafeInteger(),
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("any"), { maxLength: 20 }),
    fc.dictionary(fc.string({ maxLength: 40 }), tie("any"), { maxKeys: 20, noNullPrototype: true }),
  ),
})).any;

function encoded(given: Value): Uint8Array | undefined {
  try {
    return encodeCanonical(given);
  } catch {
    return undefined;
  }
}

describe("scanCanonical", () => {
  test("reads what another reader reads", () => {
    let read = 0;
    fc.assert(
      fc.property(value, (given) => {
        const bytes = encoded(given);
        if (!bytes) return;
        read++;
        expect(scanCanonical(bytes, "test")).toEqual(plain(judge.unpack(bytes.slice())));
      }),
      { numRuns: 300 },
    );
    expect(read).toBeGreaterThan(200);
  });

  test.each([
    0,
    127,
    128,
    255,
    256,
    65535,
    65536,
    2 ** 32 - 1,
    2 ** 32,
    Number.MAX_SAFE_INTEGER,
    -1,
    -32,
    -33,
    -128,
    -129,
    -32768,
    -32769,
    -(2 ** 31),
    -(2 ** 31) - 1,
    -Number.MAX_SAFE_INTEGER,
  ])("reads %d, at the edge of a form", (number) => {
    expect(scanCanonical(encodeCanonical(number), "test")).toBe(number);
  });

  test("gives bytes that are a copy", () => {
    const bytes = encodeCanonical(Uint8Array.of(1, 2, 3));
    const read = scanCanonical(bytes, "test");
    bytes.fill(9);
    expect(read).toEqual(Uint8Array.of(1, 2, 3));
  });
});

/** The judge gives Buffers for bytes. */
function plain(seen: unknown): unknown {
  if (seen instanceof Uint8Array) return new Uint8Array(seen);
  if (Array.isArray(seen)) return seen.map(plain);
  if (typeof seen !== "object" || seen === null) return seen;
  return Object.fromEntries(Object.entries(seen).map(([key, item]) => [key, plain(item)]));
}
