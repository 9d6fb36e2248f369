import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, open, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CONFIGS } from "../../test/configs.ts";
import { encodeSafetensors, randomTensors } from "../../test/memory-checkpoint.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { readRegularFile } from "./checkpoint-file.ts";

/** The files of a checkpoint but its weights; each is taken where it is there. */
const FILES = {
  "config.json": JSON.stringify(CONFIGS.llama),
  "tokenizer.json": "{ }",
  "merges.txt": "a b",
  "vocab.json": "{}",
  "chat_template.jinja": "{{ messages }}",
  "tokenizer_config.json": "{}",
  "generation_config.json": "{}",
} as const;
type Name = keyof typeof FILES;
const NAMES = Object.keys(FILES) as readonly Name[];

let base = "";
let folder = "";
beforeEach(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), "s7l-checkpoint-file-")));
  folder = join(base, "cache/snapshots/main");
  await put("cache/snapshots/main/config.json", FILES["config.json"]);
  await put("cache/snapshots/main/model.safetensors", encodeSafetensors(randomTensors(CONFIGS.llama)));
});
afterEach(() => rm(base, { recursive: true }));

async function put(name: string, content: Uint8Array | string): Promise<void> {
  await mkdir(dirname(join(base, name)), { recursive: true });
  await writeFile(join(base, name), content);
}

async function link(target: string, name: string): Promise<void> {
  await rm(join(base, name), { force: true });
  await mkdir(dirname(join(base, name)), { recursive: true });
  await symlink(target, join(base, name));
}

async function files(path = folder) {
  const checkpoint = await openCheckpoint(path);
  await checkpoint.close();
  return checkpoint.files;
}

const at = (name: string) => join("cache/snapshots/main", name);

describe("a link is taken", () => {
  test.each(NAMES)("to a blob of the Hub's cache, for %s", async (name) => {
    await put("cache/blobs/0a1b", FILES[name]);
    await link("../../blobs/0a1b", at(name));
    await expect(files()).resolves.toBeDefined();
  });

  test.each<readonly [string, () => Promise<void>]>([
    [
      "within the checkpoint",
      async () => {
        await put(at("text/template"), "mine");
        await link("text/template", at("chat_template.jinja"));
      },
    ],
    [
      "within the checkpoint, through a folder that is a link",
      async () => {
        await put(at("text/template"), "mine");
        await link("text", at("other"));
        await link("other/template", at("chat_template.jinja"));
      },
    ],
    [
      "to a name that begins with two dots",
      async () => {
        await put(at("..template"), "mine");
        await link("..template", at("chat_template.jinja"));
      },
    ],
  ])("%s", async (_, make) => {
    await make();
    expect((await files()).chatTemplate).toBe("mine");
  });

  test("of a folder in a snapshot to a blob", async () => {
    await put("cache/blobs/0a1b", "{ }");
    await link("../../../blobs/0a1b", at("tokenizer/tokenizer.json"));
    expect((await files()).tokenizer).toHaveLength(3);
    await put(at("part/config.json"), FILES["config.json"]);
    await rename(join(folder, "model.safetensors"), join(folder, "part/model.safetensors"));
    await link("../../../blobs/0a1b", at("part/tokenizer.json"));
    expect((await files(join(folder, "part"))).tokenizer).toHaveLength(3);
  });

  test("as the checkpoint itself", async () => {
    await put(at("text/template"), "mine");
    await link("text/template", at("chat_template.jinja"));
    await link("cache/snapshots/main", "mine");
    await link(folder, "absolute");
    expect((await files(join(base, "mine"))).chatTemplate).toBe("mine");
    expect((await files(join(base, "absolute"))).chatTemplate).toBe("mine");
  });

  test("for the weights, wherever it leads: they are large, and must be this model's", async () => {
    await rename(join(folder, "model.safetensors"), join(base, "weights"));
    await link("../../../weights", at("model.safetensors"));
    await expect(files()).resolves.toBeDefined();
    await writeFile(join(base, "weights"), "root:x:0:0:root:/root:/bin/sh\n");
    await expect(files()).rejects.toMatchObject({ name: "QuantizeError", code: "safetensors" });
  });
});

describe("a link is refused by name", () => {
  test.each([...NAMES, "model.safetensors.index.json" as const])("out of the checkpoint, for %s", async (name) => {
    await put("secret", name in FILES ? FILES[name as Name] : "{}");
    await link("../../../secret", at(name));
    await expect(files()).rejects.toMatchObject({
      name: "QuantizeError",
      code: "checkpoint",
      at: join(folder, name),
      message: `${join(folder, name)} is a link out of its checkpoint, to ${join(base, "secret")}; copy that file here, or give the folder it lies in`,
    });
  });

  test.each<readonly [string, () => Promise<void>]>([
    ["to a name on the whole machine", () => link(join(base, "secret"), at("chat_template.jinja"))],
    [
      "to a folder beside of a longer name",
      async () => {
        await put("cache/snapshots/main-2/secret", "x");
        await link("../main-2/secret", at("chat_template.jinja"));
      },
    ],
    [
      "to the snapshots' own folder",
      async () => {
        await put("cache/snapshots/secret", "x");
        await link("../secret", at("chat_template.jinja"));
      },
    ],
    [
      "to the checkpoint's parent's blobs, where that is no snapshots",
      async () => {
        await put("cache/snapshots/blobs/secret", "x");
        await link("../blobs/secret", at("chat_template.jinja"));
      },
    ],
    [
      "to a folder in the blobs",
      async () => {
        await put("cache/blobs/more/secret", "x");
        await link("../../blobs/more/secret", at("chat_template.jinja"));
      },
    ],
    [
      "through blobs that lead out",
      async () => {
        await put("private/secret", "x");
        await link("../private", "cache/blobs");
        await link("../../blobs/secret", at("chat_template.jinja"));
      },
    ],
    [
      "through a blob that leads out",
      async () => {
        await link("../../secret", "cache/blobs/0a1b");
        await link("../../blobs/0a1b", at("chat_template.jinja"));
      },
    ],
    [
      "through a folder that leads out",
      async () => {
        await put("private/tokenizer.json", "{}");
        await link("../../../private", at("tokenizer"));
      },
    ],
  ])("%s", async (_, make) => {
    await put("secret", "x");
    await make();
    await expect(files()).rejects.toMatchObject({
      code: "checkpoint",
      message: expect.stringContaining("is a link out of its checkpoint"),
    });
  });

  test("to nothing: the file would be missing without a word", async () => {
    await link("../../blobs/gone", at("chat_template.jinja"));
    await expect(files()).rejects.toMatchObject({
      code: "checkpoint",
      message: expect.stringMatching(/chat_template\.jinja is a link to nothing; remove it/),
    });
  });

  test("in a ring", async () => {
    await link("chat_template.jinja", at("chat_template.jinja"));
    await expect(files()).rejects.toMatchObject({ code: "checkpoint", message: expect.stringMatching(/ELOOP/) });
  });

  test("of an S7 checkpoint's trunk, but not where the trunk is given by itself", async () => {
    await mkdir(join(base, "s7"));
    await link(folder, "s7/trunk_final");
    await expect(files(join(base, "s7"))).rejects.toMatchObject({ message: expect.stringMatching(/link out of/) });
    const checkpoint = await openCheckpoint({ trunk: join(base, "s7/trunk_final"), experts: [] });
    await checkpoint.close();
  });
});

describe("what is no file ends at once", () => {
  test.each([...NAMES, "model.safetensors.index.json", "model.safetensors"])("a named pipe as %s", async (name) => {
    await rm(join(folder, name), { force: true });
    execFileSync("mkfifo", [join(folder, name)]);
    await expect(files()).rejects.toMatchObject({ message: expect.stringMatching(/is not a regular file/) });
  });

  test.each(NAMES)("a folder as %s", async (name) => {
    await rm(join(folder, name), { force: true });
    await mkdir(join(folder, name));
    await expect(files()).rejects.toMatchObject({
      code: "checkpoint",
      message: expect.stringMatching(/is not a regular file|is a folder/),
    });
  });

  test.skipIf(!existsSync("/dev/zero"))("a device, whatever size it says", async () => {
    await expect(readRegularFile("/dev/zero", 10)).rejects.toMatchObject({
      code: "checkpoint",
      message: expect.stringMatching(/not a regular file/),
    });
    await link("/dev/zero", "zero");
    await expect(readRegularFile(join(base, "zero"), 10)).rejects.toMatchObject({ code: "checkpoint" });
  });
});

test("a file is read up to its limit, and one that is longer is refused unread", async () => {
  await put("ten", "0123456789");
  expect(await readRegularFile(join(base, "ten"), 10)).toEqual(new TextEncoder().encode("0123456789"));
  await expect(readRegularFile(join(base, "ten"), 9)).rejects.toMatchObject({
    code: "checkpoint",
    message: expect.stringMatching(/ten has 10 bytes, where 9 are the most/),
  });
  expect(await readRegularFile(join(base, "none"), 10)).toBeUndefined();
  const huge = await open(join(folder, "tokenizer.json"), "w");
  await huge.truncate(2 ** 40);
  await huge.close();
  await expect(files()).rejects.toMatchObject({ message: expect.stringMatching(/has 1099511627776 bytes/) });
});
