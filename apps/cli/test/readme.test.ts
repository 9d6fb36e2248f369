/** The commands and examples of the README do what they say, one after another, in a folder like this repository's. */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { MINI } from "./folder.ts";

vi.setConfig({ testTimeout: 120_000 });

const REPOSITORY = join(import.meta.dirname, "../../..");
const readme = await readFile(join(REPOSITORY, "README.md"), "utf8");
const commands = [...readme.matchAll(/```sh\n(.*?)```/gs)].map(([, code]) => code ?? "");
const examples = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code ?? "");

/** Where they are run: as in the repository, with its model and its packages. */
let folder: string;
const roots: (string | undefined)[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-readme-"));
  await mkdir(join(folder, "models"));
  await symlink(MINI, join(folder, "models/s7-mini"));
  await symlink(join(REPOSITORY, "node_modules"), join(folder, "node_modules"));
});
afterAll(() => rm(folder, { recursive: true }));

test.each([0, 1])("its commands, block %i, do what is written beside them", async (index) => {
  const block = commands[index] ?? "exit 1";
  const { status, stdout, stderr } = spawnSync(
    "bash",
    ["-e", "-c", block.replaceAll("npx s7l", 's7l() { node "$S7L" "$@"; }; s7l')],
    {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, S7L: join(import.meta.dirname, "../bin/s7l.js") },
    },
  );
  expect([status, stderr]).toEqual([0, expect.not.stringContaining("s7l: ")]);
  expect(stdout).toMatch(index === 0 ? /all cats are stones\. Therefore the reply is yes\./ : /V7 hash binding +holds/);
  roots.push(/root +([0-9a-f]{64})/.exec(stdout)?.[1]);
});

test("its commands give one root, by either road", () => {
  expect(roots).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), roots[0]]);
});

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
  expect(await run(2)).toMatch(/all cats are stones\. Therefore the reply is yes\./);
});

test("format reads what the file claims", async () => {
  expect(await run(3)).toMatch(new RegExp(`^${root} 140 \\d+\\n$`));
});

test("there are no other commands or examples", () => {
  expect(commands).toHaveLength(2);
  expect(examples).toHaveLength(4);
});
