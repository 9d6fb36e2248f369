import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fakeGoldens, randomWeights, tinyFold } from "@s7l/fixtures";
import { memorySink, toHex } from "@s7l/format";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { seal } from "../src/index.ts";

/** Each moment is random, so a run that fails prints its delays. `npm run test:kills` takes 20; each costs seconds. */
const KILLS = Number(process.env.S7L_KILLS ?? 3);

const script = join(import.meta.dirname, "seal-slowly.ts");
let expected = new Uint8Array();
let root = "";
let folder = "";
let path = "";

beforeAll(async () => {
  const sink = memorySink();
  const weights = randomWeights({ ...tinyFold("routed"), vocab: 4000 }, 7);
  const sealed = await seal(weights, sink, { ...fakeGoldens(weights), chunkLog2: 16 });
  expected = sink.bytes().slice();
  root = toHex(sealed.root);
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-kill-"));
  path = join(folder, "model.s7l");
});
afterEach(() => rm(folder, { recursive: true }));

interface Run {
  readonly child: ChildProcess;
  /** Settles when the process has begun to seal. */
  readonly began: Promise<void>;
  /** What it printed, once it has ended. */
  readonly ended: Promise<string>;
}

function run(task: string): Run {
  const child = spawn(process.execPath, ["--import", "tsx", "-C", "@s7l/source", script, path, task], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  let begin = (): void => {};
  const began = new Promise<void>((resolve) => {
    begin = resolve;
  });
  child.stdout.on("data", (text: Buffer) => {
    printed += text;
    begin();
  });
  const ended = new Promise<string>((resolve) => {
    child.on("close", () => {
      begin();
      resolve(printed);
    });
  });
  return { child, began, ended };
}

/** Starts a task and kills it some time after it began to seal; says whether the kill came before its end. */
async function killed(task: string, delay: number): Promise<boolean> {
  const { child, began, ended } = run(task);
  await began;
  await setTimeout(delay);
  child.kill("SIGKILL");
  await ended;
  return child.signalCode === "SIGKILL";
}

/** Kills a seal as soon as it has left a record to go on from, however slow the machine is. */
async function killedOnRecord(): Promise<void> {
  const { child, ended } = run("all");
  while (child.exitCode === null && !(await hasRecord())) await setTimeout(5);
  child.kill("SIGKILL");
  await ended;
}

const hasRecord = async (): Promise<boolean> =>
  (await readdir(folder, { recursive: true })).some((name) => name.endsWith(".record"));

/** Random moments of the second and more that a seal takes here (each tensor waits for 10 ms), one in each equal stretch of it. */
const delays = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => ((i + Math.random()) * 1200) / count);

describe("a seal that is killed", () => {
  test(`at ${KILLS} random moments ends in the same bytes, and never stands half under its name`, async () => {
    const moments = delays(KILLS);
    let hits = 0;
    let finished = 0;
    let taken = 0;
    for (const delay of moments) {
      if (await killed("all", delay)) hits++;
      if (await hasRecord()) taken++;
      const names = await readdir(folder);
      if (!names.includes("model.s7l")) continue;
      expect(Buffer.compare(await readFile(path), expected), `delays ${moments.join(", ")}`).toBe(0);
      // Done between two kills: begin anew, so that each kill has something to hit.
      await rm(path, { force: true });
      finished++;
    }
    await killedOnRecord();
    if (await hasRecord()) taken++;
    const last = await run("all").ended;
    expect(last, `delays ${moments.join(", ")}`).toContain(root);
    expect(Buffer.compare(await readFile(path), expected)).toBe(0);
    expect(await readdir(folder)).toEqual(["model.s7l"]);
    console.info(
      `${hits} of ${KILLS} kills hit a seal; ${taken} left a part to go on from, ${finished} were whole already`,
    );
    expect(hits).toBeGreaterThan(0);
    expect(taken).toBeGreaterThan(0);
  }, 240_000);

  test("in its workers and in its merge gives the same bytes", async () => {
    for (const number of [1, 2, 3]) {
      for (const delay of delays(1)) await killed(`${number}/3`, delay / 3);
      expect(await run(`${number}/3`).ended).toContain("resumed");
    }
    for (const delay of delays(2)) {
      await killed("merge", delay / 8);
      if ((await readdir(folder)).includes("model.s7l")) break;
    }
    if (!(await readdir(folder)).includes("model.s7l")) expect(await run("merge").ended).toContain(root);
    expect(Buffer.compare(await readFile(path), expected)).toBe(0);
  }, 120_000);
});
