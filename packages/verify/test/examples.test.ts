/** The examples as they were built, doing what their texts say. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { toHex } from "@s7l/format";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serveFile } from "./file-server.ts";
import { sealWide } from "./seal-wide.ts";

const examples = join(import.meta.dirname, "../../../examples");

interface Worker {
  readonly default: { fetch(request: Request, variables: object): Promise<Response> };
}

describe.skipIf(!existsSync(join(examples, "dist")))("the examples", () => {
  let folder: string;
  let file: string;
  let artifact: Uint8Array;
  let root: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "s7l-examples-"));
    file = join(folder, "model.s7l");
    artifact = await sealWide();
    root = toHex(artifact.subarray(224, 256));
    await writeFile(file, artifact);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("node: says each rule, and refuses another root", () => {
    const run = (...args: readonly string[]) =>
      spawnSync(process.execPath, [join(examples, "node/verify.mjs"), ...args], { encoding: "utf8" });
    expect(run(file, root)).toMatchObject({ status: 0, stdout: expect.stringMatching(/V7 holds[\s\S]*pinned/) });
    expect(run(file, "0".repeat(64))).toMatchObject({
      status: 1,
      stdout: expect.stringContaining("V7 root-unexpected"),
    });
  });

  test("worker: answers for the model whose root it was given, and for no other", async () => {
    const { default: worker }: Worker = await import(pathToFileURL(join(examples, "dist/worker/worker.js")).href);
    const { url, close } = await serveFile(artifact);
    try {
      const ask = (query: string, MODEL_ROOT: string) =>
        worker.fetch(new Request(`http://worker/${query}`), { MODEL_URL: url, MODEL_ROOT });
      const listed: { tensors: string[] } = await (await ask("", root)).json();
      expect(listed.tensors).toContain("expert1.norm.weight");
      const tensor = await ask("?tensor=expert1.norm.weight", root);
      expect((await tensor.arrayBuffer()).byteLength).toBe(64);
      const refused = await ask("", "0".repeat(64));
      expect([refused.status, await refused.json()]).toMatchObject([502, { code: "root-unexpected" }]);
    } finally {
      await close();
    }
  });
});
