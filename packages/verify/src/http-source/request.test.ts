import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { requestRange, type Session } from "./request.ts";

const url = new URL("https://models.example/m.s7l");
const headers = { etag: '"one"', "content-range": "bytes 2-4/10" };
const good = (): Response => new Response(Uint8Array.of(1, 2, 3), { status: 206, headers });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Asks for three bytes with these answers, one after another; says when each was asked for, in milliseconds. */
async function ask(
  answers: readonly ((signal?: AbortSignal | null) => Response | Promise<Response>)[],
  change: Partial<Session> = {},
  length = 3,
) {
  const began = Date.now();
  const times: number[] = [];
  const given: (RequestInit | undefined)[] = [];
  const session: Session = {
    url,
    headers: { authorization: "Bearer token" },
    signal: undefined,
    attempts: 5,
    backoff: 100,
    patience: 1000,
    fetch: async (_, init) => {
      given.push(init);
      const answer = answers[times.length] ?? good;
      times.push(Date.now() - began);
      return answer(init?.signal);
    },
    ...change,
  };
  const result = requestRange(session, 2, length, {}).then(
    (answer) => ({ answer, error: undefined }),
    (error: unknown) => ({ answer: undefined, error }),
  );
  await vi.runAllTimersAsync();
  return { ...(await result), times, given };
}

const status = (code: number, more: Readonly<Record<string, string>> = {}) => {
  return () => new Response(null, { status: code, headers: more });
};
const silence = (signal?: AbortSignal | null): Promise<never> =>
  new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));

describe("a range by HTTP", () => {
  test("is asked for with the caller's headers, and by no cache of the host's", async () => {
    const { answer, given, times } = await ask([]);
    expect(answer).toEqual({ size: 10, etag: '"one"', bytes: Uint8Array.of(1, 2, 3) });
    expect(times).toEqual([0]);
    expect(given[0]).toMatchObject({
      headers: { authorization: "Bearer token", range: "bytes=2-4" },
      cache: "no-store",
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([408, 425, 429, 500, 502, 503, 504])("is asked for again after a %i", async (code) => {
    const { answer, times } = await ask([status(code)]);
    expect(answer?.bytes).toEqual(Uint8Array.of(1, 2, 3));
    expect(times).toEqual([0, 100]);
  });

  test.each([204, 304, 400, 401, 403, 404, 410, 412, 416, 501, 505])("is not after a %i", async (code) => {
    const { error, times } = await ask([status(code)]);
    expect(error).toMatchObject({ name: "HttpError", code: "status", at: `${url.href} at 2` });
    expect(times).toEqual([0]);
  });

  test("waits twice as long each time, and gives up after its attempts", async () => {
    const { error, times } = await ask(Array.from({ length: 9 }, () => status(503)));
    expect(times).toEqual([0, 100, 300, 700, 1500]);
    expect(error).toMatchObject({ name: "HttpError", code: "status", at: `${url.href} at 2` });
  });

  test.each([
    ["2", 2000],
    ["0", 100],
    ["-5", 100],
    ["soon", 100],
    ["86400", 30_000],
    ["Infinity", 30_000],
  ])("waits as long as a server asks for by Retry-After %j, within reason", async (after, wait) => {
    const { times } = await ask([status(503, { "retry-after": after })]);
    expect(times).toEqual([0, wait]);
  });

  test.each<[string, () => Response | Promise<Response>, string]>([
    ["a connection that fails", () => Promise.reject(new TypeError("no route")), "unreachable"],
    ["what is no error", () => Promise.reject("no route"), "unreachable"],
    ["a body that is short", () => new Response(Uint8Array.of(1), { status: 206, headers }), "short"],
    ["no body", () => new Response(null, { status: 206, headers }), "short"],
  ])("is tried again after %s, and says so in the end", async (_, answer, code) => {
    expect((await ask([answer])).answer?.bytes).toEqual(Uint8Array.of(1, 2, 3));
    const { error, times } = await ask(Array.from({ length: 5 }, () => answer));
    expect(error).toMatchObject({ name: "HttpError", code });
    if (code === "unreachable") expect(error).toMatchObject({ message: expect.stringContaining("no route") });
    expect(times).toHaveLength(5);
  });

  /** An answer in pieces of `size` bytes, each after so many milliseconds. */
  const slow = (size: number, ...gaps: readonly number[]) => {
    const last = 1 + size * gaps.length;
    return (signal?: AbortSignal | null) =>
      new Response(
        new ReadableStream({
          async start(controller) {
            signal?.addEventListener("abort", () => controller.error(signal.reason));
            for (const gap of gaps) {
              await new Promise((resolve) => setTimeout(resolve, gap));
              if (signal?.aborted) return;
              controller.enqueue(new Uint8Array(size));
            }
            controller.close();
          },
        }),
        { status: 206, headers: { ...headers, "content-range": `bytes 2-${last}/${last + 1}` } },
      );
  };

  test("is given up where its bytes drip, each in time, at less than 10 kB a second on the whole", async () => {
    const drip = (count: number) => slow(100, ...Array.from({ length: count }, () => 900));
    const { error } = await ask([drip(300)], { attempts: 1 }, 30_000);
    expect(error).toMatchObject({ code: "stalled", at: `${url.href} at 2` });
    // A thousand milliseconds of patience, and 10 bytes in each of the others.
    const whole = await ask([slow(10_000, 999, 999, 999)], { attempts: 1 }, 30_000);
    expect(whole.answer?.bytes).toHaveLength(30_000);
    expect((await ask([slow(2000, 900, 900)], { attempts: 1 }, 4000)).error).toMatchObject({ code: "stalled" });
    expect((await ask([slow(2000, 700, 690)], { attempts: 1 }, 4000)).answer?.bytes).toHaveLength(4000);
  });

  test("is given up after so long without a byte, counted from the last one", async () => {
    expect((await ask([slow(10_000, 900, 900)], { attempts: 1 }, 20_000)).answer?.bytes).toHaveLength(20_000);
    expect((await ask([slow(10_000, 900, 1100)], { attempts: 1 }, 20_000)).error).toMatchObject({ code: "stalled" });
    let signal: AbortSignal | null | undefined;
    const { error, times } = await ask([], {
      attempts: 2,
      fetch: (_, init) => {
        signal = init?.signal;
        return silence(signal);
      },
    });
    expect(error).toMatchObject({ name: "HttpError", code: "stalled", message: expect.stringContaining("1000 ms") });
    expect(signal?.aborted).toBe(true);
    expect(times).toEqual([]);
  });

  test("lets go of a body that it does not read", async () => {
    const cancelled = vi.fn();
    const pouring = () =>
      new Response(
        new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(9)), cancel: cancelled }),
        {
          status: 200,
        },
      );
    expect((await ask([pouring])).error).toMatchObject({ code: "no-ranges" });
    expect(cancelled).toHaveBeenCalledTimes(1);
  });

  test("ends with the caller's reason, while it is asked for and while it waits to be asked for again", async () => {
    const waits: readonly Session["fetch"][] = [(_, init) => silence(init?.signal), async () => status(503)()];
    for (const fetch of waits) {
      const leave = new AbortController();
      const reason = new Error("enough");
      const asking = ask([], { signal: leave.signal, backoff: 60_000, fetch });
      leave.abort(reason);
      expect((await asking).error).toBe(reason);
      expect(vi.getTimerCount()).toBe(0);
    }
    const { error, times } = await ask([], { signal: AbortSignal.abort("before") });
    expect(error).toBe("before");
    expect(times).toEqual([]);
  });

  test("leaves nothing listening to the caller's signal", async () => {
    const { signal } = new AbortController();
    const added = vi.spyOn(signal, "addEventListener");
    const removed = vi.spyOn(signal, "removeEventListener");
    await ask([status(503), status(503)], { signal });
    expect(added.mock.calls.length).toBeGreaterThan(0);
    expect(removed.mock.calls.map(([, listener]) => listener)).toEqual(
      added.mock.calls.map(([, listener]) => listener),
    );
  });
});
