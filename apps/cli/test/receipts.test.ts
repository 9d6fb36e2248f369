/** Receipts, replays and saved sessions, as people use them; and what the command says of a machine. */
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { bench } from "../src/commands/bench.ts";
import { createReport } from "../src/report.ts";
import { objectOf, s7l } from "./binary.ts";
import { MINI } from "./folder.ts";
import { CONFIG, tinyTensors, writeCheckpoint } from "./tiny-checkpoint.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let folder: string;
let file: string;
let ran: Record<string, unknown>;
const at = (name: string): string => join(folder, name);
const SAMPLED = ["--temperature", "0.8", "--seed", "7", "--max-tokens", "12"];

/** Runs to a result that is wanted. */
async function ok(...words: readonly string[]): Promise<Record<string, unknown>> {
  const outcome = await s7l([...words, "--json"]);
  expect(outcome).toMatchObject({ code: 0, stderr: "" });
  return objectOf(outcome);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-receipts-"));
  file = at("mini.s7l");
  await ok("build", join(MINI, "checkpoints"), "--out", file);
  await ok("keygen", "--out", at("runner"));
  await ok("keygen", "--out", at("mini"), "--kind", "minisign");
  ran = await ok(
    "run",
    file,
    "--prompt",
    "def main(",
    ...SAMPLED,
    "--receipt",
    at("r.json"),
    "--sign",
    at("runner.key"),
  );
});
afterAll(() => rm(folder, { recursive: true }));

describe("replay", () => {
  test.each([
    ["by the engine of choice", []],
    ["by the interpreter", ["--engine", "interpreter"]],
    ["on three threads, position by position", ["--engine", "simd", "--threads", "3", "--chunk", "1"]],
    ["in one piece", ["--engine", "simd", "--threads", "1", "--chunk", "999"]],
  ])("finds the same %s", async (_, flags) => {
    const { ok: same, logitsDigest, root } = await ok("replay", at("r.json"), file, ...flags);
    expect({ same, logitsDigest, root }).toEqual({ same: true, logitsDigest: ran.logitsDigest, root: ran.root });
  });

  test("takes its two files in either order, and says so to people", async () => {
    const { code, stdout, stderr } = await s7l(["replay", file, at("r.json"), "--key", at("runner.pub")]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("the same on this machine");
    expect(stdout).toMatch(/signed +by key [0-9a-f]{64}/);
  });

  test("knows the artifact from the receipt by what it holds, whatever their names", async () => {
    await copyFile(file, at("artifact"));
    await copyFile(at("r.json"), at("receipt.s7l"));
    for (const files of [
      [at("artifact"), at("r.json")],
      [at("receipt.s7l"), file],
      [file, at("receipt.s7l")],
    ])
      expect(await ok("replay", ...files)).toMatchObject({ ok: true });
  });

  test("names the first position of a changed token, in one sentence", async () => {
    const receipt = JSON.parse(await readFile(at("r.json"), "utf8"));
    const { length } = receipt.prompt;
    receipt.ids[4] ^= 1;
    await writeFile(at("token.json"), JSON.stringify(receipt));
    const outcome = await s7l(["replay", at("token.json"), file]);
    expect(outcome).toMatchObject({ code: 1, stdout: "" });
    expect(outcome.stderr).toMatch(new RegExp(`^s7l replay: .* at position ${length + 4}: .*\\[id\\]\\n$`));
    const json = objectOf(await s7l(["replay", at("token.json"), file, "--json"]));
    expect(json).toMatchObject({ ok: false, what: "id", position: length + 4 });
  });

  test("refuses a receipt of another artifact, and a file that is no receipt", async () => {
    const receipt = JSON.parse(await readFile(at("r.json"), "utf8"));
    await writeFile(at("root.json"), JSON.stringify({ ...receipt, root: "0".repeat(64) }));
    expect(await s7l(["replay", at("root.json"), file])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("[root]"),
    });
    await writeFile(at("none.json"), JSON.stringify(receipt, null, 2));
    expect(await s7l(["replay", at("none.json"), file])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("[canonical"),
    });
    expect(await s7l(["replay", at("missing.json"), file])).toMatchObject({ code: 2 });
  });
});

describe("a signed receipt", () => {
  test("by minisign is vouched for too", async () => {
    await ok("run", file, "--prompt", "A", "--max-tokens", "2", "--receipt", at("m.json"), "--sign", at("mini.key"));
    expect(await readdir(folder)).toContain("m.json.minisig");
    expect(await ok("replay", at("m.json"), file, "--key", at("mini.pub"))).toMatchObject({
      signed: { kind: "minisign" },
    });
  });

  const edit = async (name: string): Promise<void> => {
    const text = await readFile(at("r.json"), "utf8");
    await writeFile(at(name), text.replace('"seed":"7"', '"seed":"8"'));
    await writeFile(at(`${name}.sig`), await readFile(at("r.json.sig")));
  };
  test.each([
    ["that was edited", "edited.json", ["--key", "runner.pub"], "signature-subject"],
    ["by a key of another kind", "r.json", ["--key", "mini.pub"], "signature-missing"],
    ["without a signature", "bare.json", ["--key", "runner.pub"], "signature-missing"],
    [
      "with the signature of another",
      "m.json",
      ["--key", "runner.pub", "--signature", "r.json.sig"],
      "signature-subject",
    ],
    ["where no key is named", "r.json", ["--require-signature"], "signature-missing"],
  ])("%s is refused before anything runs", async (_, name, flags, code) => {
    await edit("edited.json");
    await writeFile(at("bare.json"), await readFile(at("r.json")));
    const words = flags.map((word) => (word.startsWith("--") ? word : at(word)));
    const outcome = await s7l(["replay", at(name), file, ...words]);
    expect(outcome).toMatchObject({ code: 1, stdout: "" });
    expect(outcome.stderr).toContain(code);
  });

  test("is refused before anything runs where it could not hold every stop text", async () => {
    const stops = Array.from({ length: 257 }, (_, i) => `--stop=never ${i}`);
    const words = ["run", file, "--prompt", "A", "--max-tokens", "2", "--receipt", at("never.json")];
    const stderr = expect.stringMatching(/^s7l run: a receipt holds 256 stop texts, not 257: .*\n$/);
    expect(await s7l([...words, ...stops])).toMatchObject({ code: 2, stdout: "", stderr });
    expect(await s7l([...words, ...stops.slice(1)])).toMatchObject({ code: 0 });
    await rm(at("never.json"));
  });

  test("is not written where the run fails", async () => {
    const words = ["run", file, "--prompt", "x ".repeat(3000), "--receipt", at("never.json")];
    expect((await s7l(words)).code).toBe(1);
    expect(await s7l(["run", file, "--prompt", "A", "--sign", at("runner.key")])).toMatchObject({ code: 2 });
    expect((await readdir(folder)).filter((name) => name.startsWith("never"))).toEqual([]);
  });
});

describe("a saved session", () => {
  test("goes on in another engine as if it had never ended", async () => {
    const [prompt, more] = ["The sea was", " and 12 + 30 ="];
    const words = ["run", file, "--max-tokens", "5"];
    const first = await ok(...words, "--prompt", prompt, "--save-session", at("a.state"), "--engine", "simd");
    const then = ["--session", at("a.state"), "--prompt", more, "--receipt", at("s.json")];
    const second = await ok(...words, ...then, "--engine", "interpreter");
    const ids = [first.promptIds, first.ids, second.promptIds].flat();
    await writeFile(at("all.json"), JSON.stringify(ids));
    const whole = await ok(...words, "--ids", at("all.json"));
    expect([second.ids, second.logitsDigest]).toEqual([whole.ids, whole.logitsDigest]);
    expect(await ok("replay", at("s.json"), file)).toMatchObject({ ok: true });
  });

  test("that was damaged is refused", async () => {
    const state = await readFile(at("a.state"));
    state[500] = (state[500] ?? 0) ^ 1;
    await writeFile(at("b.state"), state);
    expect(await s7l(["run", file, "--prompt", "A", "--session", at("b.state")])).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("[state-digest"),
    });
  });
});

test("doctor says what the machine has and what auto takes", async () => {
  const { node, simd, auto } = await ok("doctor");
  expect(node).toBe(process.version);
  expect(ran.engine).toBe((auto as { engine: string }).engine);
  const { code, stdout } = await s7l(["doctor"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/SHA-256 +node:crypto, \S+ [GM]B\/s/);
  expect(typeof simd).toBe("boolean");
});

describe("a file of another kind is named", () => {
  beforeAll(async () => {
    await writeFile(at("notes.txt"), "once upon a time");
    await writeFile(at("ids.json"), "[1,99999]");
    await writeFile(at("lists.json"), "[[1,2],[3,99999]]");
  });

  test.each<[string, () => readonly string[], () => string]>([
    [
      "for a session",
      () => ["run", file, "--prompt", "a", "--session", at("notes.txt")],
      () =>
        `${at("notes.txt")} is refused: these bytes are no session state: give what save() gave; --session takes what --save-session wrote [state-form]`,
    ],
    [
      "for a receipt",
      () => ["replay", at("notes.txt"), file],
      () => `${at("notes.txt")} is refused: receipt is not JSON; replay takes what run --receipt wrote [canonical]`,
    ],
    [
      "for the ids of a run",
      () => ["run", file, "--ids", at("ids.json")],
      () => `${at("ids.json")} holds 99999, which is not one of the model's 4096 ids [ids]`,
    ],
    [
      "for ids to score",
      () => ["eval", file, "--ids", at("lists.json")],
      () => `${at("lists.json")}[1] holds 99999, which is not one of the model's 4096 ids [ids]`,
    ],
  ])("%s", async (_, words, sentence) => {
    const [verb] = words();
    expect(await s7l(words())).toEqual({ code: 1, stdout: "", stderr: `s7l ${verb}: ${sentence()}\n` });
  });
});

test("bench has nothing to time where the context is a prompt of one position", async () => {
  await writeCheckpoint(at("short"), tinyTensors(), { ...CONFIG, max_position_embeddings: 1 });
  await ok("build", at("short"), "--out", at("short.s7l"));
  const told = await s7l(["bench", at("short.s7l")]);
  expect(told).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("context is one position") });
});

test("bench gives medians, and what a token reads", async () => {
  const given = await ok("bench", file, "--prompt", "20", "--generate", "8", "--threads", "1");
  expect(given).toMatchObject({ threads: 1, prompt: 20, generate: 8, runs: 3 });
  expect(given.prefill).toBeGreaterThan(0);
  expect(given.decode).toBeGreaterThan(0);
  // One of four experts, and the table once, since it is the head too.
  expect(given.bytesPerToken).toBeGreaterThan(1e6);
  expect(given.bytesPerToken).toBeLessThan(5e6);
  expect(given.bandwidthShare).toBeCloseTo(
    (Number(given.bytesPerToken) * Number(given.decode)) / Number(given.bandwidth),
  );
});

test.each([
  [["--prompt", "2048"], "a prompt of 2048 and 1 after it"],
  [["--generate", "2048"], "a prompt of 1 and 2048 after it"],
  [["--prompt", "1024", "--generate", "1025"], "a prompt of 1024 and 1025 after it"],
])("bench %j is refused, as it would measure less than was asked for", async (words, sum) => {
  const told = await s7l(["bench", file, ...words]);
  const message = `${sum} are more than the 2048 positions of the model's context: give less`;
  expect(told).toEqual({ code: 2, stdout: "", stderr: `s7l bench: ${message} [usage]\n` });
});

test("bench leaves room for what it is to generate, where nobody says how long the prompt is", async () => {
  await writeCheckpoint(at("tiny"));
  await ok("build", at("tiny"), "--out", at("tiny.s7l"));
  expect(await ok("bench", at("tiny.s7l"), "--generate", "60")).toMatchObject({ prompt: 4, generate: 60 });
  expect(await ok("bench", at("tiny.s7l"))).toMatchObject({ prompt: 63, generate: 1 });
});

test("bench hears on one thread that it is to stop", async () => {
  const stop = new AbortController();
  const progress = { show: () => void setTimeout(() => stop.abort(new Error("enough"))), clear: () => {} };
  const report = createReport(process, { json: false, quiet: true, reader: { gone: true } }, () => {});
  const args = { file, prompt: 20, generate: 8, runs: 100, engine: undefined, threads: 1 };
  await expect(bench.run({ args, report, progress, signal: stop.signal })).rejects.toThrow("enough");
});
