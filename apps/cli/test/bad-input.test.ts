/** Whatever is wrong with the input ends in one sentence, with exit 1 or 2, and leaves nothing behind. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BINARY, type Outcome, objectOf, s7l } from "./binary.ts";
import { inFolder, MINI } from "./folder.ts";
import { CONFIG, safetensors, type Tensor, tinyTensors, writeCheckpoint, writeShards } from "./tiny-checkpoint.ts";

const WEIGHT = "model.layers.1.mlp.up_proj.weight";

/** Writes a checkpoint with one thing wrong. */
type Spoil = (folder: string) => Promise<void>;

const withTensor =
  (name: string, change: (tensor: Tensor) => Tensor | undefined): Spoil =>
  async (folder) => {
    const tensors = tinyTensors();
    const tensor = tensors.get(name);
    const changed = tensor && change(tensor);
    if (changed) tensors.set(name, changed);
    else tensors.delete(name);
    await writeCheckpoint(folder, tensors);
  };

const withConfig =
  (change: object): Spoil =>
  (folder) =>
    writeCheckpoint(folder, tinyTensors(), { ...CONFIG, ...change });

const withValue = (value: number): Spoil =>
  withTensor(WEIGHT, (tensor) => {
    const data = tensor.data.slice();
    new DataView(data.buffer).setFloat32(4 * 77, value, true);
    return { ...tensor, data };
  });

const CASES: readonly (readonly [string, Spoil, number, RegExp])[] = [
  ["no checkpoint at all", async () => {}, 2, /checkpoint is not a folder that can be read/],
  ["an empty folder", async (folder) => void (await mkdir(folder)), 2, /has neither config\.json nor trunk_final/],
  [
    "a config that is not JSON",
    async (folder) => {
      await writeCheckpoint(folder);
      await writeFile(join(folder, "config.json"), "{");
    },
    1,
    /config\.json .*\[config/,
  ],
  [
    "an unknown architecture",
    withConfig({ model_type: "mamba3" }),
    1,
    /model_type "mamba3"; supported: .*llama.*\[unsupported/,
  ],
  ["a config without a key", withConfig({ hidden_size: undefined }), 1, /lacks the key hidden_size/],
  [
    "weights that are quantized already",
    withConfig({ quantization_config: { quant_method: "fp8" } }),
    1,
    /quantized already/,
  ],
  [
    "no weights",
    async (folder) => {
      await writeCheckpoint(folder);
      await rm(join(folder, "model.safetensors"));
    },
    2,
    /no model\.safetensors/,
  ],
  [
    "a missing shard",
    async (folder) => {
      await writeShards(folder);
      await rm(join(folder, "model-00002-of-00002.safetensors"));
    },
    2,
    /shard model-00002-of-00002\.safetensors, .* is missing/,
  ],
  [
    "a truncated file",
    async (folder) => {
      await writeCheckpoint(folder);
      await truncate(join(folder, "model.safetensors"), 100_000);
    },
    1,
    /cut off.*\[safetensors/,
  ],
  [
    "a truncated header",
    async (folder) => {
      await writeCheckpoint(folder);
      await truncate(join(folder, "model.safetensors"), 200);
    },
    1,
    /cut off.*\[safetensors/,
  ],
  [
    "bytes after the last tensor",
    async (folder) => {
      await writeCheckpoint(folder);
      await writeFile(
        join(folder, "model.safetensors"),
        Buffer.concat([safetensors(tinyTensors()), Buffer.from("tail")]),
      );
    },
    1,
    /4 bytes follow the last tensor/,
  ],
  ["a NaN", withValue(Number.NaN), 1, new RegExp(`${WEIGHT}.*77|${WEIGHT}.*\\[1, 13\\]`)],
  ["an infinity", withValue(Number.NEGATIVE_INFINITY), 1, new RegExp(WEIGHT)],
  [
    "a tensor of another shape",
    withTensor(WEIGHT, (tensor) => ({ ...tensor, shape: [64, 112] })),
    1,
    /has shape \[64, 112\]; .* implies \[112, 64\]/,
  ],
  ["a missing tensor", withTensor(WEIGHT, () => undefined), 1, new RegExp(`${WEIGHT}.* is missing`)],
  [
    "a tensor too many",
    async (folder) => {
      const extra: Tensor = { dtype: "F32", shape: [1], data: new Uint8Array(4) };
      await writeCheckpoint(folder, tinyTensors().set("model.layers.2.extra.weight", extra));
    },
    1,
    /model\.layers\.2\.extra\.weight .* no part of/,
  ],
  [
    "integers for weights",
    withTensor(WEIGHT, (tensor) => ({ ...tensor, dtype: "I32" })),
    1,
    /is I32; F32, F16 or BF16/,
  ],
];

describe.each(CASES)("%s", (_, spoil, exit, message) => {
  test("stops build in one sentence and leaves nothing", () =>
    inFolder(async (folder) => {
      await spoil(join(folder, "checkpoint"));
      await mkdir(join(folder, "out"));
      const outcome = await s7l(["build", join(folder, "checkpoint"), "--out", join(folder, "out/m.s7l"), "--json"]);
      expectRefusal(outcome, "build", exit, message);
      expect(objectOf(outcome)).toMatchObject({ error: { code: expect.any(String), message: expect.any(String) } });
      expect(await readdir(join(folder, "out"))).toEqual([]);
    }));
});

const STOPPING_QUANTIZE = ["an unknown architecture", "a NaN", "a missing shard"];

test.each(CASES.filter(([name]) => STOPPING_QUANTIZE.includes(name)))(
  "%s stops quantize, which takes away the folders that it made",
  (_, spoil, exit, message) =>
    inFolder(async (folder) => {
      await spoil(join(folder, "checkpoint"));
      const out = join(folder, "model/weights");
      expectRefusal(
        await s7l(["quantize", "--checkpoint", join(folder, "checkpoint"), "--out", out]),
        "quantize",
        exit,
        message,
      );
      expect(await readdir(folder)).toEqual(["checkpoint"]);
    }),
);

describe("an output that cannot be written", () => {
  test.each([
    ["a folder that is not there", "none/m.s7l", /its folder does not exist/],
    ["a folder by that name", "taken", /taken is a folder/],
    ["a file where a folder should be", "file/m.s7l", /its folder is not a folder/],
    ["a pipe by that name, which is nobody's to replace", "pipe", /a device, a pipe or a socket/],
  ])("(%s) stops build before it begins", (_, out, message) =>
    inFolder(async (folder) => {
      await writeCheckpoint(join(folder, "checkpoint"));
      await mkdir(join(folder, "taken"));
      await writeFile(join(folder, "file"), "");
      execFileSync("mkfifo", [join(folder, "pipe")]);
      expectRefusal(await s7l(["build", join(folder, "checkpoint"), "--out", join(folder, out)]), "build", 2, message);
      expect((await readdir(folder)).sort()).toEqual(["checkpoint", "file", "pipe", "taken"]);
    }),
  );
});

describe("a folder that is somebody's", () => {
  test.each(["config.json", "model-00001-of-00002.safetensors", "tokenizer.json"])(
    "(it has a %s) is not quantized into, and keeps its files",
    (name) =>
      inFolder(async (folder) => {
        await writeCheckpoint(join(folder, "checkpoint"));
        const out = join(folder, "theirs");
        await mkdir(out);
        await writeFile(join(out, name), "theirs");
        const words = ["quantize", "--checkpoint", join(folder, "checkpoint"), "--out", out];
        expectRefusal(await s7l(words), "quantize", 2, /not of our making/);
        expect(await readdir(out)).toEqual([name]);
        expect(await readFile(join(out, name), "utf8")).toBe("theirs");
      }),
  );
});

describe("experts of an S7 that do not belong together", () => {
  const checkpoints = join(MINI, "checkpoints");
  const expert = (index: number): string => join(checkpoints, `expert${index}_final`);

  test.each([
    ["one is missing", [0, 1, 3], 1, /expert2\..* is missing/],
    ["one is given twice", [0, 1, 2, 2], 2, /is in .* and in /],
  ])("(%s) stop quantize", (_, experts, exit, message) =>
    inFolder(async (folder) => {
      const words = ["--checkpoint", join(checkpoints, "trunk_final"), "--experts", ...experts.map(expert)];
      expectRefusal(await s7l(["quantize", ...words, "--out", join(folder, "w")]), "quantize", exit, message);
      expect(await readdir(folder)).toEqual([]);
    }),
  );
});

describe("weights that changed after they were quantized", () => {
  test.each([
    ["a byte of weights.bin", "weights.bin", /is not what was quantized|content/],
    ["the index is gone", "weights.json", /weights\.json cannot be read/],
  ])("(%s) stop pack", (_, name, message) =>
    inFolder(async (folder) => {
      await writeCheckpoint(join(folder, "checkpoint"));
      const weights = join(folder, "weights");
      expect((await s7l(["quantize", "--checkpoint", join(folder, "checkpoint"), "--out", weights])).code).toBe(0);
      if (name === "weights.json") await rm(join(weights, name));
      else await spoilByte(join(weights, name));
      const { code, stderr } = await s7l(["pack", "--weights-dir", weights, "--out", join(folder, "m.s7l")]);
      expect([1, 2]).toContain(code);
      expect(stderr).toMatch(message);
      expect((await readdir(folder)).sort()).toEqual(["checkpoint", "weights"]);
    }),
  );
});

describe("a file that is no artifact", () => {
  test.each<[string, string | undefined, number, RegExp]>([
    ["none at all", undefined, 2, /there is no such file/],
    ["an empty one", "", 1, /refused: V0|refused: V1/],
    ["a text", "once upon a time", 1, /refused: V/],
  ])("(%s) is refused by verify", (_, content, exit, message) =>
    inFolder(async (folder) => {
      const path = join(folder, "m.s7l");
      if (content !== undefined) await writeFile(path, content);
      expectRefusal(await s7l(["verify", path, "--quiet"]), "verify", exit, message);
    }),
  );

  test.each(["run", "inspect"])("is named by %s, with the way to know more", (verb) =>
    inFolder(async (folder) => {
      const path = join(folder, "m.s7l");
      await writeFile(path, "S7LM");
      const outcome = await s7l([verb, path, ...(verb === "run" ? ["--prompt", "a"] : [])]);
      expectRefusal(outcome, verb, 1, /m\.s7l is refused: .*; s7l verify .*m\.s7l tells of every rule/);
    }),
  );

  test("of which nobody says that it is consistent", () =>
    inFolder(async (folder) => {
      const path = join(folder, "m.s7l");
      await writeFile(path, "once upon a time");
      const { stdout } = await s7l(["verify", path]);
      expect(stdout).toContain("integrity     broken");
      expect(stdout).not.toContain("consistent");
    }));

  test("is not lost to a slip: no artifact takes its name", () =>
    inFolder(async (folder) => {
      await writeCheckpoint(join(folder, "checkpoint"));
      const out = join(folder, "thesis.txt");
      await writeFile(out, "once upon a time");
      const outcome = await s7l(["build", join(folder, "checkpoint"), "--out", out]);
      expectRefusal(
        outcome,
        "build",
        2,
        /thesis\.txt is there already and is no artifact; remove it, or give another name/,
      );
      expect(await readFile(out, "utf8")).toBe("once upon a time");
    }));
});

test.each<[string, readonly string[], RegExp]>([
  [
    "keys in no folder",
    ["keygen", "--out", "none/k"],
    /none\/k\.pub cannot be written: its folder does not exist \[io\]/,
  ],
  [
    "keys in a file",
    ["keygen", "--out", "file/k"],
    /file\/k\.pub cannot be written: its folder is not a folder \[io\]/,
  ],
  [
    "weights in a file",
    ["quantize", "--checkpoint", "c", "--out", "file/w"],
    /file\/w cannot be made: its folder is not a folder \[io\]/,
  ],
  [
    "weights by a file's name",
    ["quantize", "--checkpoint", "c", "--out", "file"],
    /file cannot be made: a file has that name \[io\]/,
  ],
  [
    "a cache in a file",
    ["verify", "http://127.0.0.1:9/m.s7l", "--cache", "file/c"],
    /the cache file\/c cannot be made: its folder is not a folder \[io\]/,
  ],
  ["an artifact in a file", ["verify", "file/m.s7l"], /file\/m\.s7l cannot be read: its folder is not a folder \[io\]/],
])("(%s) is told in words, without the system's own", (_, words, message) =>
  inFolder(async (folder) => {
    await writeCheckpoint(join(folder, "c"));
    await writeFile(join(folder, "file"), "");
    expectRefusal(await s7l(words, { cwd: folder }), words[0] ?? "", 2, message);
    expect((await readdir(folder)).sort()).toEqual(["c", "file"]);
  }),
);

test.each([
  ["run", ["--prompt", "a"]],
  ["verify", []],
  ["inspect", []],
  ["eval", ["--ids", "ids.json"]],
  ["bench", []],
  ["sign", ["--key", "k.key"]],
  ["prove", ["--tensor", "t", "--out", "t.proof"]],
])("a checkpoint is no artifact for %s, which says how to make one", (verb, flags) =>
  inFolder(async (folder) => {
    await writeCheckpoint(join(folder, "checkpoint"));
    await writeFile(join(folder, "ids.json"), "[1,2]");
    expect((await s7l(["keygen", "--out", "k"], { cwd: folder })).code).toBe(0);
    const before = await readdir(folder);
    expect(await s7l([verb, "checkpoint", ...flags], { cwd: folder })).toEqual({
      code: 2,
      stdout: "",
      stderr: `s7l ${verb}: checkpoint is a folder; s7l build checkpoint --out model.s7l makes a file of a checkpoint [io]\n`,
    });
    expect(await readdir(folder)).toEqual(before);
  }),
);

describe("JSON that nests without end", () => {
  const nested = "[".repeat(2_000_000);

  test("is no weights folder", () =>
    inFolder(async (folder) => {
      await writeFile(join(folder, "weights.json"), nested);
      const outcome = await s7l(["pack", "--weights-dir", folder, "--out", join(folder, "m.s7l")]);
      expectRefusal(outcome, "pack", 1, /weights\.json is JSON nested more than 64 deep/);
    }));

  test.each(["run", "eval"])("is no list of token ids for %s", (verb) =>
    inFolder(async (folder) => {
      const ids = join(folder, "ids.json");
      await writeFile(ids, nested);
      expectRefusal(await s7l([verb, "m.s7l", "--ids", ids]), verb, 1, /ids\.json is JSON nested more than 8 deep/);
    }),
  );

  test("is no receipt", () =>
    inFolder(async (folder) => {
      const receipt = join(folder, "r.json");
      await writeFile(receipt, nested);
      expectRefusal(await s7l(["replay", receipt, "m.s7l"]), "replay", 1, /JSON nested more than 4 deep/);
    }));
});

describe("a reader that goes away", () => {
  test.each([
    ["a broken artifact", 1, 1],
    ["a whole one", 0, 0],
  ])("changes nothing of what verify says by its exit of %s", (_, flipped, exit) =>
    inFolder(async (folder) => {
      await writeCheckpoint(join(folder, "checkpoint"));
      const file = join(folder, "m.s7l");
      expect((await s7l(["build", join(folder, "checkpoint"), "--out", file])).code).toBe(0);
      if (flipped) {
        await chmod(file, 0o600);
        await spoilByte(file);
      }
      expect((await s7l(["verify", file], { deaf: "stdout" })).code).toBe(exit);
    }),
  );

  test("from stderr takes away nothing that run was to write", () =>
    inFolder(async (folder) => {
      await writeCheckpoint(join(folder, "checkpoint"));
      await writeFile(join(folder, "ids.json"), "[1,2,3]");
      expect((await s7l(["build", "checkpoint", "--out", "m.s7l"], { cwd: folder })).code).toBe(0);
      const words = "run m.s7l --ids ids.json --max-tokens 2 --receipt r.json --save-session s".split(" ");
      expect(await s7l(words, { cwd: folder, deaf: "stderr" })).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/\S/),
      });
      expect(await readdir(folder)).toEqual(expect.arrayContaining(["r.json", "s"]));
    }));
});

describe("run without a prompt", () => {
  test("says that there is no such file while stdin is still open", async () => {
    const child = spawn(process.execPath, [BINARY, "run", "typo.s7l"]);
    const [said] = await once(child.stderr, "data");
    expect(String(said)).toBe("s7l run: typo.s7l cannot be read: there is no such file [io]\n");
    child.stdin.end();
    expect(await once(child, "close")).toEqual([2, null]);
  });

  test("says that stdin is empty", () =>
    inFolder(async (folder) => {
      await writeFile(join(folder, "m.s7l"), "S7LM");
      for (const input of ["", "\n"])
        expectRefusal(await s7l(["run", join(folder, "m.s7l")], { input }), "run", 2, /stdin is empty.*\[usage\]/);
    }));
});

describe("what was typed", () => {
  test.each<[string, readonly string[], RegExp]>([
    ["an unknown verb", ["verfy", "m.s7l"], /there is no such verb; did you mean s7l verify\?/],
    ["an unknown flag", ["verify", "m.s7l", "--expcted-root", "00"], /did you mean --expected-root\?/],
    ["a missing argument", ["verify"], /FILE is missing/],
    ["a missing flag", ["build", "c"], /--out FILE is missing/],
    ["a root that is none", ["verify", "m.s7l", "--expected-root", "abc"], /not 64 hexadecimal digits/],
    [
      "a temperature that is none",
      ["run", "m.s7l", "--temperature", "0.001"],
      /is not a number from 0\.01 to 100, nor 0/,
    ],
    [
      "an unknown method",
      ["quantize", "--checkpoint", "c", "--out", "w", "--method", "per_tensor"],
      /--method per_tensor is unknown/,
    ],
    [
      "both vocabularies",
      ["pack", "--weights-dir", "w", "--out", "o", "--vocab", "v", "--tokenizer", "t"],
      /exclude each other/,
    ],
    [
      "a password of no key",
      ["run", "m.s7l", "--prompt", "a", "--password-file", "p"],
      /--password-file is of the key that signs: add --sign KEY/,
    ],
    ["an empty prompt", ["run", "m.s7l", "--prompt", ""], /there is no prompt: --prompt is empty/],
    ["a bill with tensors", ["inspect", "m.s7l", "--bom", "--tensors"], /a bill lists no tensors/],
    [
      "notes of a merge",
      ["pack", "--weights-dir", "w", "--out", "o", "--merge", "--save-every", "1"],
      /--save-every says nothing to --merge/,
    ],
    [
      "another place for the index",
      ["checkpoint", "index", "c", "--out", "x"],
      /--out says nothing to index: it is for manifest/,
    ],
    [
      "values of a manifest",
      ["checkpoint", "manifest", "c", "--values"],
      /--values says nothing to manifest: it is for lint/,
    ],
    [
      "threads of a lint",
      ["checkpoint", "lint", "c", "--threads", "2"],
      /--threads says nothing to lint: it is for manifest and verify/,
    ],
    [
      "a manifest to make",
      ["checkpoint", "manifest", "c", "--manifest", "x"],
      /--manifest says nothing to manifest: it is for verify/,
    ],
    [
      "shards to verify",
      ["checkpoint", "verify", "c", "--max-shard", "9"],
      /--max-shard says nothing to verify: it is for collect/,
    ],
  ])("(%s) is a usage error that says what to type", async (_, words, message) => {
    expectRefusal(await s7l(words), words[0] ?? "", 2, message);
  });

  test("(nothing) shows the help, with exit 2", async () => {
    expect(await s7l([])).toMatchObject({ code: 2, stdout: expect.stringContaining("s7l VERB --help") });
  });

  test.each(["demo", "quantize", "pack", "build", "verify", "run", "eval", "inspect"])(
    "(%s --help) shows an example",
    async (verb) => {
      const { code, stdout, stderr } = await s7l([verb, "--help"]);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(new RegExp(`example.*\n +.*s7l ${verb}`, "s"));
    },
  );

  test("(help run) is (run --help), and (help mend) no verb", async () => {
    expect(await s7l(["help", "run"])).toEqual(await s7l(["run", "--help"]));
    expect(await s7l(["help", "mend"])).toMatchObject({ code: 2, stderr: expect.stringContaining("no such verb") });
  });
});

/** One sentence on stderr, nothing for people on stdout, and no trace of a stack. */
function expectRefusal({ code, stdout, stderr }: Outcome, verb: string, exit: number, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(new RegExp(`^s7l ${verb}: .*\\n$`));
  expect(stderr).not.toMatch(/\n\s+at |defect/);
  expect(code).toBe(exit);
  expect(stdout === "" || stdout.startsWith('{"error"')).toBe(true);
}

async function spoilByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[1000] = (bytes[1000] ?? 0) ^ 1;
  await writeFile(path, bytes);
}
