/** The commands one after another, on the model that comes along, as a newcomer types them. */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { objectOf, s7l } from "./binary.ts";
import { inFolder, MINI } from "./folder.ts";
import { CONFIG, tinyTensors, writeCheckpoint } from "./tiny-checkpoint.ts";

// Each test is a handful of processes, and the interpreter may be the only engine of a host.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let folder: string;
let file: string;
let root: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-cli-"));
  file = join(folder, "mini.s7l");
  const built = await s7l(["build", join(MINI, "checkpoints"), "--out", file, "--json"]);
  expect(built).toMatchObject({ code: 0, stderr: "" });
  root = String(objectOf(built).root);
});
afterAll(() => rm(folder, { recursive: true }));

test("one model is one file: s7-mini has this root on every machine, Node version and engine", () => {
  // Another root means another format, other numerics or another quantizer: artifacts of before are then not reproducible.
  expect(root).toBe("8a2a9ecf15bc5c1f8fab3127541f3ffc3163c1fd95d6f16403990cdae8138184");
});

describe("build", () => {
  test("leaves one read-only file, whole, and says its root", async () => {
    expect(root).toMatch(/^[0-9a-f]{64}$/);
    expect((await stat(file)).mode & 0o777).toBe(0o444);
    expect(await readdir(folder)).toEqual(["mini.s7l"]);
  });

  test("says only the root with --quiet, and gives the same bytes again", async () => {
    const again = join(folder, "again.s7l");
    expect(await s7l(["build", join(MINI, "checkpoints"), "-o", again, "-q"])).toEqual({
      code: 0,
      stdout: `${root}\n`,
      stderr: "",
    });
    expect((await readFile(again)).equals(await readFile(file))).toBe(true);
    await rm(again);
  });

  test("says what is odd about a model, where people read it and in the object", () =>
    inFolder(async (odd) => {
      await writeCheckpoint(odd, tinyTensors(), { ...CONFIG, eos_token_id: 96 });
      const vocab = Object.fromEntries(Array.from({ length: 98 }, (_, id) => [`t${id}`, id]));
      await writeFile(join(odd, "vocab.json"), JSON.stringify(vocab));
      const notes = [
        "eos_token_id 96 is outside the vocabulary of 96 and is left out",
        'vocab.json gives 2 of its 98 tokens, such as "t96", ids beyond the model\'s 96 logits: no text that needs one can be run',
      ];
      const words = ["build", odd, "--out", join(odd, "m.s7l")];
      expect(await s7l(words)).toMatchObject({ code: 0, stderr: `${notes.join("\n")}\n` });
      const told = await s7l([...words, "--json"]);
      expect([told.stderr, objectOf(told)]).toMatchObject(["", { notes }]);
    }));
});

test("the three commands of the seed give the artifact that build gives", async () => {
  await copyFile(join(MINI, "vocab.json"), join(folder, "vocab.json"));
  const checkpoints = join(MINI, "checkpoints");
  const experts = [0, 1, 2, 3].map((e) => join(checkpoints, `expert${e}_final/`));
  const weights = join(folder, "weights/");
  const quantized = await s7l([
    "quantize",
    "--checkpoint",
    join(checkpoints, "trunk_final/"),
    "--experts",
    ...experts,
    "--out",
    weights,
    "--method",
    "per_row_int8",
  ]);
  expect(quantized).toMatchObject({ code: 0, stderr: "" });
  expect(quantized.stdout).toContain("140 tensors of s7_llm_moe");
  expect((await readdir(weights)).sort()).toEqual(["report.json", "tokenizer.json", "weights.bin", "weights.json"]);

  const out = join(folder, "moe.s7l");
  const packed = await s7l(["pack", "--weights-dir", weights, "--vocab", join(folder, "vocab.json"), "--out", out]);
  expect(packed).toMatchObject({ code: 0, stderr: "" });
  expect(packed.stdout).toContain(`root ${root}`);
  expect((await readFile(out)).equals(await readFile(file))).toBe(true);

  const verified = await s7l(["verify", out]);
  expect(verified).toMatchObject({ code: 0, stderr: "" });
  expect(verified.stdout).toContain(root);
});

describe("verify", () => {
  test("gives every rule its verdict", async () => {
    expect(objectOf(await s7l(["verify", file, "--json"]))).toEqual({
      ok: true,
      rules: ["V0", "V1", "V2", "V3", "V4", "V5", "V6", "V7"].map((id) => ({
        id,
        ok: true,
        ...(id === "V6" ? { replayed: true } : {}),
      })),
      root,
      integrity: "whole",
      authenticity: "unproven",
      coverage: { chunks: 140, total: 140 },
    });
  });

  test("says what it did not do", async () => {
    const fast = objectOf(await s7l(["verify", file, "--no-replay", "--json"]));
    expect(fast.rules).toContainEqual({ id: "V6", ok: true, replayed: false });
    const one = objectOf(await s7l(["verify", file, "--expert", "2", "--json"]));
    expect(one).toMatchObject({ ok: true, integrity: "partial", coverage: { chunks: 26, total: 140 } });
    expect((await s7l(["verify", file, "--expert", "2"])).stdout).toMatch(/V3 .* holds .* of what was asked for/);
  });

  test("holds the artifact to a pinned root, in either case", async () => {
    const pinned = await s7l(["verify", file, "--no-replay", "--expected-root", root.toUpperCase(), "--json"]);
    expect(pinned.code).toBe(0);
    expect(objectOf(pinned)).toMatchObject({ ok: true, authenticity: "pinned" });
    const other = await s7l(["verify", file, "--no-replay", "--expected-root", "0".repeat(64)]);
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/^s7l verify: .* is refused: V7, .*\[root-unexpected/);
  });

  test("refuses one changed bit with rule, code and place, and exit 1", async () => {
    const bytes = await readFile(file);
    const spoilt = join(folder, "spoilt.s7l");
    const at = bytes.length - 100_000;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(spoilt, bytes);
    const refused = await s7l(["verify", spoilt, "--json"]);
    expect(refused.code).toBe(1);
    const { ok, integrity, rules } = objectOf(refused);
    expect([ok, integrity]).toEqual([false, "broken"]);
    expect(rules).toContainEqual(
      expect.objectContaining({ id: "V3", ok: false, code: "chunk", at: expect.stringMatching(/trunk/) }),
    );
    const told = await s7l(["verify", spoilt]);
    expect(told.stdout).toMatch(/V3 compute mediation +BROKEN/);
    expect(told.stderr).toMatch(/is refused: V3, .*\[chunk/);
    for (const verb of [
      ["run", spoilt, "--prompt", "a"],
      ["eval", spoilt, "--text", join(MINI, "README.md")],
    ]) {
      expect(await s7l(verb)).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/V3, .*\[chunk/) });
    }
  });
});

describe("run", () => {
  const PROMPT = "23 + 45 =";

  test("continues the prompt on stdout alone", async () => {
    const { code, stdout, stderr } = await s7l(["run", file, "--prompt", PROMPT, "--max-tokens", "3"]);
    expect([code, stdout]).toEqual([0, " 95\n\n"]);
    expect(stderr).toMatch(/^3 tokens, ended by length/);
  });

  test("gives one object, the same for prompt, stdin, ids and every engine", async () => {
    const words = ["run", file, "--max-tokens", "8", "--json"];
    const given = objectOf(await s7l([...words, "--prompt", PROMPT]));
    expect(given).toMatchObject({
      promptIds: [20, 21, 456, 1516, 295],
      root,
      stop: "length",
      experts: Array(12).fill(1),
    });
    expect(given.logitsDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(given.ids).toHaveLength(8);
    const ids = join(folder, "prompt.json");
    await writeFile(ids, JSON.stringify(given.promptIds));
    const others = [
      await s7l(words, { input: `${PROMPT}\n` }),
      await s7l([...words, "--ids", ids]),
      await s7l([...words, "--prompt", PROMPT, "--engine", "interpreter"]),
    ];
    for (const other of others) {
      const { text, ids, logitsDigest, experts } = objectOf(other);
      expect({ text, ids, logitsDigest, experts }).toEqual({
        text: given.text,
        ids: given.ids,
        logitsDigest: given.logitsDigest,
        experts: given.experts,
      });
    }
  });

  test("ends before a stop text, and samples the same text from the same seed", async () => {
    const stopped = objectOf(await s7l(["run", file, "--prompt", PROMPT, "--stop", "\n", "--json"]));
    expect(stopped).toMatchObject({ text: " 95", stop: "stop" });
    const sample = async (seed: string) =>
      objectOf(
        await s7l([
          "run",
          file,
          "--prompt",
          "The",
          "--max-tokens",
          "12",
          "--temperature",
          "1.5",
          "--seed",
          seed,
          "--json",
        ]),
      ).text;
    const [a, b, c] = [await sample("7"), await sample("7"), await sample("8")];
    expect(a).toBe(b);
    expect(a).not.toBe(c);
  });

  test("needs a prompt", async () => {
    expect(await s7l(["run", file])).toMatchObject({ code: 2, stderr: expect.stringContaining("there is no prompt") });
  });
});

describe("eval", () => {
  test("scores ids as the float model does, writes logits, and compares with them", async () => {
    const [first, second] = JSON.parse(await readFile(join(MINI, "eval/reason.json"), "utf8"));
    const ids = join(folder, "ids.json");
    await writeFile(ids, JSON.stringify([first, second]));
    const logits = join(folder, "logits.f32");
    const scores = objectOf(await s7l(["eval", file, "--ids", ids, "--logits", logits, "--json"]));
    const predicted = [first.ids.length - 1, second.ids.length - 1];
    const float = (first.nll_f32 * predicted[0]! + second.nll_f32 * predicted[1]!) / (predicted[0]! + predicted[1]!);
    expect(scores.tokens).toBe(predicted[0]! + predicted[1]!);
    expect(Math.abs(Number(scores.nll) - float)).toBeLessThan(0.005);
    expect((await stat(logits)).size).toBe(4 * 4096 * (first.ids.length + second.ids.length));
    const same = objectOf(await s7l(["eval", file, "--ids", ids, "--against", logits, "--json"]));
    expect(same).toEqual({ ...scores, kl: 0, top1Agreement: 1 });
  });

  test("has nothing to score in single tokens, but writes their logits and compares them", async () => {
    const [ids, logits] = [join(folder, "single.json"), join(folder, "single.f32")];
    await writeFile(ids, "[[5],[6]]");
    const words = ["eval", file, "--ids", ids];
    expect(await s7l(words)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("nothing to score"),
    });
    const none = "tokens      0, as none stands after another\n";
    expect(await s7l([...words, "--logits", logits])).toEqual({ code: 0, stdout: none, stderr: "" });
    expect(await s7l([...words, "--against", logits])).toEqual({
      code: 0,
      stdout: `${none}mean KL     0.000000\nagreement   100.00 %\n`,
      stderr: "",
    });
    for (const name of [ids, logits]) await rm(name);
  });

  test("scores a text", async () => {
    const text = join(folder, "text.txt");
    await writeFile(text, "def main(argv):\n    return 0\n");
    const { code, stdout } = await s7l(["eval", file, "--text", text]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/tokens +\d+\nmean nll +\d/);
  });

  test.each([[[]], [["--text", "a", "--ids", "b"]]])("takes either a text or ids, not %j", async (flags) => {
    expect(await s7l(["eval", file, ...flags])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("either --text FILE or --ids FILE"),
    });
  });
});

describe("inspect", () => {
  test("shows an artifact's front", async () => {
    const { stdout, code } = await s7l(["inspect", file]);
    expect(code).toBe(0);
    expect(stdout).toContain(root);
    expect(stdout).toMatch(/routed +one of 4 experts a position, each 3 × \(qkv 4\/4 heads of 32; ffn plain 512\)/);
    const shown = objectOf(await s7l(["inspect", file, "--json"]));
    expect(shown).toMatchObject({ format: "s7l", version: 3, root, policy: { maxContext: 2048 } });
    expect(shown.tensors).toHaveLength(140);
    expect(shown.components).toHaveLength(6);
  });

  test.each([
    ["what a file holds", []],
    ["a bill of materials", ["--bom"]],
  ])("shows %s with --quiet too, as it is the result", async (_, flags) => {
    const told = await s7l(["inspect", file, ...flags]);
    expect(told).toMatchObject({ code: 0, stdout: expect.stringMatching(/\S/) });
    expect(await s7l(["inspect", file, ...flags, "--quiet"])).toEqual(told);
  });

  test("shows a safetensors file, and refuses what it does not know", async () => {
    const shard = join(MINI, "checkpoints/expert0_final/model.safetensors");
    expect(objectOf(await s7l(["inspect", shard, "--json"]))).toMatchObject({
      format: "safetensors",
      elements: 615_296,
    });
    expect(await s7l(["inspect", join(MINI, "README.md")])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("is neither an artifact"),
    });
  });

  test.each([
    ["nothing", "", "foreign"],
    ["no more than a name", "S7LM", "is refused: the file has 4 bytes"],
    ["an artifact of version 4", `S7LM\u0000\u0004${"\u0000".repeat(250)}`, "V1, "],
    ["no more than a name of GGUF", "GGUF", "the file is cut off"],
  ])("refuses a file of %s in one sentence", async (_, content, message) => {
    const path = join(folder, "short");
    await writeFile(path, content);
    const { code, stderr } = await s7l(["inspect", path]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^s7l inspect: .*\n$/);
    expect(stderr).toContain(message);
  });
});

describe("demo", () => {
  test("shows the whole road, ends at the root of the same checkpoint, and leaves nothing", async () => {
    const temporary = join(folder, "tmp");
    await mkdir(temporary);
    const { code, stdout, stderr } = await s7l(["demo"], { env: { TMPDIR: temporary } });
    expect([code, stderr]).toEqual([0, ""]);
    for (const id of ["V0", "V1", "V2", "V3", "V4", "V5", "V6", "V7"])
      expect(stdout).toMatch(new RegExp(`${id} .* holds`));
    expect(stdout).toContain("it follows that all cats are stones. Therefore the reply is yes.");
    expect(stdout.trimEnd().split("\n").at(-1)).toBe(`root ${root}`);
    expect(await readdir(temporary)).toEqual([]);
  });

  test("keeps the artifact where it is told to", async () => {
    const out = join(folder, "kept.s7l");
    const shown = objectOf(await s7l(["demo", "--out", out, "--json"]));
    expect(shown).toMatchObject({ ok: true, root });
    expect(await s7l(["verify", out, "--no-replay", "-q"])).toEqual({ code: 0, stdout: `${root}\n`, stderr: "" });
    expect((await readFile(out)).equals(await readFile(file))).toBe(true);
  });
});
