import { describe, expect, test } from "vitest";
import { isStrongTag, parseContentRange } from "./content-range.ts";

describe("a Content-Range", () => {
  test.each([
    ["bytes 0-0/1", { first: 0, last: 0, size: 1 }],
    ["bytes 5-9/10", { first: 5, last: 9, size: 10 }],
    ["bytes 0-9007199254740990/9007199254740991", { first: 0, last: 2 ** 53 - 2, size: 2 ** 53 - 1 }],
  ])("%j is read", (header, range) => {
    expect(parseContentRange(header)).toEqual(range);
  });

  test.each([
    "",
    "bytes",
    "bytes 0-9",
    "bytes 0-9/*",
    "bytes */10",
    "bytes 9-5/10",
    "bytes 0-10/10",
    "bytes -1-9/10",
    "bytes 0-9/9007199254740992",
    "bytes 0-9/99999999999999999",
    "bytes 0x0-9/10",
    "bytes 0-9/10 ",
    " bytes 0-9/10",
    "bytes  0-9/10",
    "bytes=0-9/10",
    "Bytes 0-9/10",
    "items 0-9/10",
    "bytes 0-9/10, bytes 0-9/10",
    "bytes 0-9/10\nbytes 0-9/10",
  ])("%j is none", (header) => {
    expect(parseContentRange(header)).toBeUndefined();
  });
});

describe("an entity tag", () => {
  test.each(['""', '"one"', '"!#~"', '"\x80\xff"', '"a b"'.replace(" ", "-")])("%j is a strong one", (tag) => {
    expect(isStrongTag(tag)).toBe(true);
  });

  test.each(["", "one", '"', '"one', 'one"', 'W/"one"', '"a"b"', '"a b"', '"a\n"', '"one" ', '"one","two"', '"\x7f"'])(
    "%j is not",
    (tag) => {
      expect(isStrongTag(tag)).toBe(false);
    },
  );
});
