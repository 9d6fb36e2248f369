import { describe, expect, test } from "vitest";
import { createProgress } from "./progress.ts";

/** A progress whose clock stands still until it is moved, and what it wrote. */
function observed(options: { readonly animated: boolean; readonly silent?: boolean; readonly columns?: number }) {
  const written: string[] = [];
  const clock = { now: 0 };
  const stream = { columns: options.columns ?? 80, write: (text: string) => written.push(text) };
  const progress = createProgress(stream, {
    silent: options.silent ?? false,
    animated: options.animated,
    now: () => clock.now,
  });
  return { written, clock, progress };
}

describe("on a terminal", () => {
  test("draws one line with share, rate and time left, and takes it away", () => {
    const { written, clock, progress } = observed({ animated: true });
    progress.show("seal", 0, 1_000_000);
    clock.now = 1000;
    progress.show("seal", 250_000, 1_000_000);
    progress.clear();
    expect(written).toEqual([`\r\u001b[Kseal ${"━".repeat(24)} 25 % of 1.0 MB, 250 kB/s, 3.00 s left`, "\r\u001b[K"]);
  });

  test("draws ten times a second at most, and nothing for a step that is over at once", () => {
    const { written, clock, progress } = observed({ animated: true });
    for (clock.now = 0; clock.now < 1000; clock.now += 10) progress.show("seal", clock.now, 1000);
    expect(written).toHaveLength(9);
    const short = observed({ animated: true });
    short.progress.show("seal", 0, 10);
    short.clock.now = 50;
    short.progress.show("seal", 10, 10);
    short.progress.clear();
    expect(short.written).toEqual([]);
  });

  test("never writes more than a narrow terminal holds", () => {
    const { written, clock, progress } = observed({ animated: true, columns: 40 });
    progress.show("seal", 0, 1e6);
    clock.now = 1000;
    progress.show("seal", 5e5, 1e6);
    expect(written[0]?.replace("\r\u001b[K", "").length).toBeLessThan(40);
  });
});

describe("in a log", () => {
  test("writes a plain line every ten seconds", () => {
    const { written, clock, progress } = observed({ animated: false });
    for (clock.now = 0; clock.now <= 25_000; clock.now += 1000)
      progress.show("verify", clock.now / 1000, 100, "chunks");
    progress.clear();
    expect(written).toEqual([
      "verify: 10 % of 100 chunks, 1 chunks/s, 90.0 s left\n",
      "verify: 20 % of 100 chunks, 1 chunks/s, 80.0 s left\n",
    ]);
  });
});

test("writes nothing when it should be silent", () => {
  const { written, clock, progress } = observed({ animated: true, silent: true });
  progress.show("seal", 0, 10);
  clock.now = 60_000;
  progress.show("seal", 5, 10);
  progress.clear();
  expect(written).toEqual([]);
});
