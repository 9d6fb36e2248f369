/** The examples of the README do what they say, one after another, in a folder that holds `checkpoints/`. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { MINI } from "./folder.ts";

vi.setConfig({ testTimeout: 120_000 });

const readme = await readFile(join(import.meta.dirname, "../../../README.md"), "utf8");
const examples = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code ?? "");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-readme-"));
  await symlink(join(MINI, "checkpoints"), join(folder, "checkpoints"));
  await symlink(join(import.meta.dirname, "../node_modules"), join(folder, "node_modules"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs an example as a program of its own and gives what it prints. */
async function run(index: number): Promise<string> {
  const file = join(folder, `example-${index}.mjs`);
  await writeFile(file, examples[index] ?? "throw new Error('there is no such example')");
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: folder, encoding: "utf8" });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
}

let root = "";

test("quantize and pack seal a file", async () => {
  expect(await run(0)).toBe("");
});

test("verify says that every rule holds", async () => {
  const [first, ...rules] = (await run(1)).trimEnd().split("\n");
  expect(first).toMatch(/^true [0-9a-f]{64}$/);
  root = first?.slice(5) ?? "";
  expect(rules).toEqual(["V0", "V1", "V2", "V3", "V4", "V5", "V6", "V7"].map((id) => `${id} holds`));
});

test("the runtime writes", async () => {
  expect(await run(2)).toMatch(/^ 95\n/);
});

test("format reads what the file claims", async () => {
  expect(await run(3)).toMatch(new RegExp(`^${root} 140 \\d+\\n$`));
});

test("there are no other examples", () => {
  expect(examples).toHaveLength(4);
});
