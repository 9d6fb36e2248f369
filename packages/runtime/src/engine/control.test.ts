import { expect, test } from "vitest";
import { Control, controlWords, Stopped } from "./control.ts";

test("a thread that comes to the barrier after the crew has stopped does not wait there", () => {
  const words = new Int32Array(new SharedArrayBuffer(4 * controlWords(2, 1)));
  const control = new Control(() => words, 0, 2);
  control.order({ chunk: undefined, head: { from: 0, count: 1 } }, 65536);
  control.stop();
  expect(() => control.meet()).toThrow(Stopped);
  expect(control.next(() => undefined)).toBeUndefined();
});
