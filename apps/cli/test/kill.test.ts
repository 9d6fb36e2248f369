/** Verbs that are killed at any moment, run again with the same command: the same bytes, and nothing else left. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MINI } from "./folder.ts";

/** `npm run test:kills` takes 20; a moment is random, so a run that fails prints its delays. */
const KILLS = Number(process.env.S7L_KILLS ?? 2);
const BINARY = join(import.meta.dirname, "../bin/s7l.js");
const CHECKPOINTS = join(MINI, "checkpoints");

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-kill-"));
});
afterAll(() => rm(folder, { recursive: true }));

function start(words: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<string> } {
  const child = spawn(process.execPath, [BINARY, ...words], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    said += text;
  });
  return { child, ended: new Promise((resolve) => child.on("close", () => resolve(said))) };
}

async function runWhole(words: readonly string[]): Promise<void> {
  const { child, ended } = start(words);
  expect([await ended, child.exitCode]).toEqual(["", 0]);
}

/** SHA-256 of each file in a folder, by its name there. */
async function digestsOf(place: string): Promise<Readonly<Record<string, string>>> {
  const names = (await readdir(place)).sort();
  const digests = names.map(async (name) => {
    const bytes = await readFile(join(place, name));
    return [name, createHash("sha256").update(bytes).digest("hex")] as const;
  });
  return Object.fromEntries(await Promise.all(digests));
}

describe.each<[string, string, (place: string) => readonly string[]]>([
  ["build on two threads", "m.s7l", (place) => ["build", CHECKPOINTS, "--out", join(place, "m.s7l"), "--threads", "2"]],
  ["quantize", "weights.json", (place) => ["quantize", "--checkpoint", CHECKPOINTS, "--out", place, "--threads", "2"]],
])("%s", (verb, result, wordsFor) => {
  test(`killed at ${KILLS} random moments, a run each, is gone on with to the same bytes`, async () => {
    const [plain, killed] = [join(folder, `${verb} plain`), join(folder, `${verb} killed`)];
    await Promise.all([plain, killed].map((place) => mkdir(place)));
    // A note after each tensor: much syncing, but there is always something to go on from.
    const words = [...wordsFor(killed), "--save-every", "0"];
    const begun = performance.now();
    await runWhole(wordsFor(plain));
    const length = performance.now() - begun;
    const expected = await digestsOf(plain);
    const delays = Array.from({ length: KILLS }, (_, i) => ((i + Math.random()) * length) / KILLS);
    const tally = { hit: 0, taken: 0, whole: 0 };
    for (const delay of delays) {
      const { child, ended } = start(words);
      await setTimeout(delay);
      child.kill("SIGKILL");
      await ended;
      if (child.signalCode === "SIGKILL") tally.hit++;
      const names = await readdir(killed, { recursive: true });
      if (names.some((name) => name.endsWith(".record") || name.endsWith(".journal"))) tally.taken++;
      if (names.includes(result)) {
        // Under its name it is whole, whatever else still lies there.
        const found = createHash("sha256")
          .update(await readFile(join(killed, result)))
          .digest("hex");
        expect(found, `delays ${delays.join(", ")}`).toBe(expected[result]);
        tally.whole++;
      }
      await runWhole(words);
      expect(await digestsOf(killed), `delays ${delays.join(", ")}`).toEqual(expected);
      await emptied(killed);
    }
    console.info(
      `${verb}: ${tally.hit} of ${KILLS} kills hit it; ${tally.taken} left something to go on from, ${tally.whole} stood under its name already; each run again to the same bytes`,
    );
    expect(tally.hit).toBeGreaterThan(0);
  }, 600_000);
});

async function emptied(place: string): Promise<void> {
  for (const name of await readdir(place)) await rm(join(place, name), { recursive: true, force: true });
}
