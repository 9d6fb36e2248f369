/** What is written at the end is asked for at the beginning, and is never what was read. */
import { link, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { s7l } from "./binary.ts";
import { writeCheckpoint } from "./tiny-checkpoint.ts";

let folder: string;
const at = (name: string): string => join(folder, name);

/** Every name in the folder, with what it holds. */
const contents = async (): Promise<readonly (readonly [string, string])[]> => {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => !entry.isDirectory() && entry.name !== "linked").map(({ name }) => name);
  return Promise.all(names.sort().map(async (name) => [name, await readFile(at(name), "base64")] as const));
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-outputs-"));
  await writeCheckpoint(at("tiny"));
  await writeFile(at("ids.json"), "[1,2,3]");
  for (const words of [
    ["build", at("tiny"), "--out", at("m.s7l")],
    ["keygen", "--out", at("k")],
  ])
    expect(await s7l(words)).toMatchObject({ code: 0 });
  await symlink(at("m.s7l"), at("link.s7l"));
  await link(at("m.s7l"), at("hard.s7l"));
  await mkdir(at("d"));
  await symlink(at("d"), at("linked"));
  expect(await s7l([...RUN.split(" "), "--save-session", "s"], { cwd: folder })).toMatchObject({ code: 0 });
});
afterAll(() => rm(folder, { recursive: true }));

const RUN = "run m.s7l --ids ids.json --max-tokens 4";
const TENSOR = "--tensor model.norm.weight";

test.each([
  [`${RUN} --receipt m.s7l`, "m.s7l is read here"],
  [`${RUN} --receipt link.s7l`, "link.s7l is read here"],
  [`${RUN} --receipt hard.s7l`, "hard.s7l is read here"],
  ["run link.s7l --ids ids.json --receipt m.s7l", "m.s7l is read here"],
  [`${RUN} --receipt ids.json`, "ids.json is read here"],
  [`${RUN} --receipt r.json --sign k.key --save-session k.key`, "k.key is read here"],
  [`${RUN} --save-session m.s7l`, "m.s7l is read here"],
  ["eval m.s7l --ids ids.json --logits m.s7l", "m.s7l is read here"],
  ["eval m.s7l --ids ids.json --logits ids.json", "ids.json is read here"],
  [`prove m.s7l ${TENSOR} --out link.s7l`, "link.s7l is read here"],
  ["sign m.s7l --key k.key --out m.s7l", "m.s7l is read here"],
  ["sign m.s7l --key k.key --out k.key", "k.key is read here"],
  [`${RUN} --receipt new --save-session new`, "new is to hold two outputs"],
  [`${RUN} --receipt d/x --save-session linked/x`, "linked/x is to hold two outputs"],
  [`${RUN} --session s --receipt s`, "s is read here"],
  [`${RUN} --receipt none/r.json`, "its folder does not exist"],
  [`${RUN} --receipt r.json --save-session none/s`, "its folder does not exist"],
  [`${RUN} --receipt tiny`, "tiny is a folder"],
  ["eval m.s7l --ids ids.json --logits none/l.f32", "its folder does not exist"],
  [`prove m.s7l ${TENSOR} --out none/p`, "its folder does not exist"],
])("%s computes nothing and leaves everything: %s", async (line, sentence) => {
  const before = await contents();
  const outcome = await s7l(line.split(" "), { cwd: folder });
  expect(outcome).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(sentence) });
  expect(outcome.stderr.split("\n")).toHaveLength(2);
  expect(await contents()).toEqual(before);
});

test("a session may be saved where it was read", async () => {
  const save = ["--save-session", at("s")];
  const words = ["run", at("m.s7l"), "--ids", at("ids.json"), "--max-tokens", "2"];
  for (const more of [save, ["--session", at("s"), ...save]])
    expect(await s7l([...words, ...more])).toMatchObject({ code: 0 });
});
