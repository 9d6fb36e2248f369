import { expect, test } from "vitest";
import { oneLine, printable } from "./printable.ts";

test.each([
  ["a cursor movement", "a\u001b[2Ab", "a\ufffd[2Ab"],
  ["a window title", "\u001b]0;owned\u0007", "\ufffd]0;owned\ufffd"],
  ["an eight-bit sequence", "\u009b2A", "\ufffd2A"],
  ["a carriage return", "V0 BROKEN\rV0 holds ", "V0 BROKEN\ufffdV0 holds "],
  ["a backspace", "no\u0008\u0008ok", "no\ufffd\ufffdok"],
  ["a turn of the direction", "a\u202eb\u2066c", "a\ufffdb\ufffdc"],
  ["an invisible colour", "\u001b[8msecret", "\ufffd[8msecret"],
])("shows %s instead of doing it", (_, text, expected) => {
  expect(printable(text)).toBe(expected);
});

test("lets text and our own colours through", () => {
  const text = "\u001b[1mroot\u001b[22m ab\tc\nüñ 漢 👍\n";
  expect(printable(text)).toBe(text);
  expect(printable("a\r\nb")).toBe("a\nb");
});

test("puts a name on one line", () => {
  expect(oneLine("model\nV0 holds\r\n\tV1")).toBe("model V0 holds V1");
});
