import { afterEach, describe, expect, test, vi } from "vitest";
import { takeTurn } from "./turn.ts";

const { MessageChannel: channel } = globalThis;

afterEach(() => {
  vi.unstubAllGlobals();
  globalThis.MessageChannel = channel;
});

/** Works without a pause for so long, as a hash does. */
function work(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

describe("takeTurn", () => {
  test.each([
    ["Node", () => undefined],
    ["a page", () => vi.stubGlobal("setImmediate", undefined)],
    [
      "a host that has timers alone",
      () => {
        vi.stubGlobal("setImmediate", undefined);
        Reflect.deleteProperty(globalThis, "MessageChannel");
      },
    ],
  ])("lets a timer through that long work keeps waiting, in %s", async (_, stub) => {
    stub();
    let heard = false;
    setTimeout(() => {
      heard = true;
    });
    for (let i = 0; i < 20 && !heard; i++) {
      work(15);
      await takeTurn();
    }
    expect(heard).toBe(true);
  });

  test("costs no task where the last turn was just now", async () => {
    work(15);
    await takeTurn();
    let heard = false;
    setImmediate(() => {
      heard = true;
    });
    await takeTurn();
    expect(heard).toBe(false);
  });

  test("ends with the reason of a signal, be it given before or meanwhile", async () => {
    await expect(takeTurn(AbortSignal.abort("enough"))).rejects.toBe("enough");
    const stop = new AbortController();
    work(15);
    setImmediate(() => stop.abort("enough"));
    await expect(takeTurn(stop.signal)).rejects.toBe("enough");
  });
});
