import { mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tinyWeights } from "@s7l/fixtures";
import { sha256, type WeightSource } from "@s7l/format";
import { writeWeights } from "@s7l/format/file";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { dieAfter } from "./dying-disk.ts";

const weights = tinyWeights("speck");
const source = sha256(Uint8Array.of(1));
const options = {
  source,
  saveEvery: 0,
  note: ({ name }: { readonly name: string }) => ({ name, error: 0.1 }),
  report: (notes: readonly unknown[]) => ({ notes }),
};
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-resume-"));
});
afterEach(() => rm(folder, { recursive: true }));

const write = (from: WeightSource = weights, given: object = options) => writeWeights(folder, from, given);

/** Every file of the folder, by name. */
async function contentOf(): Promise<Readonly<Record<string, string>>> {
  const names = (await readdir(folder)).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await readFile(join(folder, name))).toString("hex")] as const)),
  );
}

/** Weights that fail at the fourth span that is asked for. */
function failing(): WeightSource {
  let spans = 0;
  return {
    ...weights,
    span: (tensor) => {
      if (++spans > 3) throw new Error("the host went down");
      return weights.span(tensor);
    },
  };
}

async function unfinished(ending: "part" | "journal"): Promise<string> {
  const name = (await readdir(folder)).find((name) => name.startsWith(".weights-") && name.endsWith(`.${ending}`));
  expect(name).toBeDefined();
  return join(folder, name ?? "");
}

describe("a weights folder whose writer is killed", () => {
  test("at any step on the file system is finished by the next run, to the same bytes and nothing else", async () => {
    await write();
    const expected = await contentOf();
    for (let steps = 0; ; steps++) {
      for (const name of await readdir(folder)) await rm(join(folder, name), { force: true });
      const ended = await dieAfter(steps, write);
      if ((await readdir(folder)).includes("weights.json")) expect(await contentOf()).toMatchObject(expected);
      await write();
      expect(await contentOf(), `${steps} steps`).toEqual(expected);
      if (!ended) continue;
      expect(steps).toBeGreaterThan(10);
      return;
    }
  });

  test("has what it finished taken up, with what was noted of it", async () => {
    const whole = await write();
    const expected = await contentOf();
    for (const name of await readdir(folder)) await rm(join(folder, name));
    await expect(write(failing())).rejects.toThrow("host went down");
    expect((await readdir(folder)).filter((name) => !name.startsWith("."))).toEqual([]);
    expect(await write()).toEqual({ notes: whole.notes, resumed: 3 });
    expect(await contentOf()).toEqual(expected);
  });

  test.each<[string, () => Promise<unknown>, number]>([
    ["a torn tail", async () => truncate(await unfinished("part"), 100), 1],
    [
      "zeros where the disk lost the last of it",
      async () => {
        const handle = await open(await unfinished("part"), "r+");
        const { size } = await handle.stat();
        await handle.write(new Uint8Array(64), 0, 64, size - 64);
        await handle.close();
      },
      2,
    ],
    ["no bytes at all", async () => rm(await unfinished("part")), 0],
    ["no journal", async () => rm(await unfinished("journal")), 0],
    [
      "a journal whose last line is torn",
      async () => truncate(await unfinished("journal"), (await readFile(await unfinished("journal"))).length - 9),
      2,
    ],
    [
      "a journal with a changed digest",
      async () => {
        const path = await unfinished("journal");
        const text = await readFile(path, "utf8");
        await writeFile(
          path,
          text.replace(/("source":")(.)/, (_, key, digit) => `${key}${digit === "0" ? 1 : 0}`),
        );
      },
      2,
    ],
    ["a journal of something else", async () => writeFile(await unfinished("journal"), "\u0000".repeat(3000)), 0],
  ])("is made again where it has %s", async (_, damage, resumed) => {
    await write();
    const expected = await contentOf();
    for (const name of await readdir(folder)) await rm(join(folder, name));
    await write(failing()).catch(() => undefined);
    await damage();
    expect(await write()).toMatchObject({ resumed });
    expect(await contentOf()).toEqual(expected);
  });

  test.each<[string, object]>([
    ["another source", { ...options, source: sha256(Uint8Array.of(2)) }],
    ["a source that nobody names", { ...options, source: undefined }],
  ])("is not gone on with for %s", async (_, other) => {
    await write(failing()).catch(() => undefined);
    expect(await write(weights, other)).toMatchObject({ resumed: 0 });
    expect((await readdir(folder)).filter((name) => name.startsWith("."))).toHaveLength(2);
  });

  test("leaves nothing where nothing was noted", async () => {
    await expect(write(failing(), { source })).rejects.toThrow("host went down");
    expect(await readdir(folder)).toEqual([]);
  });

  test("gives the same bytes with several tensors in flight", async () => {
    await write();
    const expected = await contentOf();
    await write(weights, { ...options, concurrency: 4 });
    expect(await contentOf()).toEqual(expected);
  });
});
