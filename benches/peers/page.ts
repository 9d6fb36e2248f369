/** Runs in the browser: wllama's two lines and our engine take turns in one page, one thread each. Bundled and served by `wllama.ts`. */
import { wall } from "./clock.ts";
import { openOurs } from "./our-turn.ts";
import { DECODE, PREFILL, type Turn } from "./turn.ts";
import { openWllama3 } from "./wllama-three.ts";
import { openWllama2 } from "./wllama-two.ts";

/** What the page reports: the turns of each, in the order in which they were taken. */
export type Report =
  | { readonly browser: string; readonly turns: Readonly<Record<string, readonly Turn[]>> }
  | { readonly error: string };

const query = new URLSearchParams(location.search);
const report = await contest(query.get("shape") ?? "", Number(query.get("rounds"))).catch(
  (error): Report => ({
    error: error instanceof Error ? error.message : String(error),
  }),
);
await fetch("/report", { method: "POST", body: JSON.stringify(report) });

async function contest(shape: string, rounds: number): Promise<Report> {
  const gguf = await (await fetch(`/${shape}.gguf`)).blob();
  const entrants = [
    { name: "wllama 3", turn: await openWllama3(gguf), turns: [] as Turn[] },
    { name: "wllama 2", turn: await openWllama2(gguf), turns: [] as Turn[] },
    { name: "s7l", turn: await openOurs(shape, "simd", 1, wall), turns: [] as Turn[] },
  ];
  for (let round = 0; round <= rounds; round++)
    for (const { name, turn, turns } of entrants) {
      const taken = await turn();
      if (round > 0) turns.push(taken); // the first compiles
      await tell(
        `  round ${round}: ${name} ${(PREFILL / taken.prefill).toFixed(1)} / ${(DECODE / taken.decode).toFixed(1)}`,
      );
    }
  const browser = /Chrome\/\d+/.exec(navigator.userAgent)?.[0] ?? navigator.userAgent;
  return { browser, turns: Object.fromEntries(entrants.map(({ name, turns }) => [name, turns])) };
}

/** A line for whoever watches: a turn of a slow contestant takes a minute. */
async function tell(line: string): Promise<void> {
  await fetch("/progress", { method: "POST", body: line });
}
