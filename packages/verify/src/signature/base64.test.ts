import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromBase64, toBase64 } from "./base64.ts";

const read = (text: string): Uint8Array => fromBase64(text, "signature-form", "it");

describe("Base64", () => {
  test("is what node writes, and reads back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = Buffer.from(bytes).toString("base64");
        expect(toBase64(bytes)).toBe(text);
        expect(read(text)).toEqual(bytes);
      }),
    );
  });

  test("has one text for its bytes: any other is refused", () => {
    const texts = fc.string({ unit: fc.constantFrom(..."AQgw/+=-_ \n"), maxLength: 12 });
    fc.assert(
      fc.property(texts, (text) => {
        let bytes: Uint8Array;
        try {
          bytes = read(text);
        } catch (error) {
          expect(error).toMatchObject({ name: "SignatureError", code: "signature-form" });
          return;
        }
        expect(toBase64(bytes)).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });

  test.each(["A", "AA", "AA=", "AAA", "AB==", "AAB=", "====", "A===", "AA==\n", " AA==", "AA==AA==", "AA-_"])(
    "is not %j",
    (text) => {
      expect(() => read(text)).toThrow(expect.objectContaining({ code: "signature-form" }));
    },
  );
});
