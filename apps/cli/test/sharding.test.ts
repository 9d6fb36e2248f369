/** The shards of a seal as docs/sharding.md runs them, and the checkpoint verb as people do. */
import { spawnSync } from "node:child_process";
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { objectOf, s7l } from "./binary.ts";
import { inFolder, MINI } from "./folder.ts";

const CHECKPOINTS = join(MINI, "checkpoints");
const BINARY = join(import.meta.dirname, "../bin/s7l.js");
const GUIDE = join(import.meta.dirname, "../../../docs/sharding.md");

const hasParallel = spawnSync("parallel", ["--version"]).status === 0;

async function quantized(folder: string): Promise<void> {
  const { code, stderr } = await s7l(["quantize", "--checkpoint", CHECKPOINTS, "--out", join(folder, "model/weights")]);
  expect([code, stderr]).toEqual([0, ""]);
}

const pack = (folder: string, ...words: readonly string[]) =>
  s7l([
    "pack",
    "--weights-dir",
    join(folder, "model/weights"),
    "--out",
    join(folder, "model/moe.s7l"),
    "--json",
    ...words,
  ]);

describe("a seal in shards", () => {
  test.skipIf(!hasParallel)(
    "by the guide's line of GNU parallel gives the bytes of a plain pack",
    { timeout: 240_000 },
    () =>
      inFolder(async (folder) => {
        await quantized(folder);
        const plain = objectOf(await pack(folder));
        const expected = await readFile(join(folder, "model/moe.s7l"));
        await rm(join(folder, "model/moe.s7l"), { force: true });

        const [, line = ""] = /```sh\n(parallel [^`]*)```/.exec(await readFile(GUIDE, "utf8")) ?? [];
        const bin = join(folder, "bin");
        await mkdir(bin);
        await writeFile(join(bin, "s7l"), `#!/bin/sh\nexec "${process.execPath}" "${BINARY}" "$@"\n`);
        await chmod(join(bin, "s7l"), 0o755);
        const { status, stdout, stderr } = spawnSync("sh", ["-c", line], {
          cwd: folder,
          encoding: "utf8",
          env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
        });
        expect([status, stderr]).toEqual([0, expect.any(String)]);
        expect(stdout).toContain(`root ${plain.root}`);
        expect(stdout.match(/part \d of 8/g)).toHaveLength(8);
        expect(Buffer.compare(await readFile(join(folder, "model/moe.s7l")), expected)).toBe(0);
        expect((await readdir(join(folder, "model"))).sort()).toEqual(["moe.s7l", "weights"]);
      }),
  );

  test("takes its number from an array job, and names the part that is missing", { timeout: 120_000 }, () =>
    inFolder(async (folder) => {
      await quantized(folder);
      const words = [
        "pack",
        "--weights-dir",
        join(folder, "model/weights"),
        "--out",
        join(folder, "model/moe.s7l"),
        "--json",
      ];
      const second = await s7l([...words, "--shard", "/2"], { env: { JOB_COMPLETION_INDEX: "1" } });
      expect(objectOf(second)).toMatchObject({ shard: 2, of: 2, resumed: 0 });
      const early = await pack(folder, "--merge");
      expect([early.code, early.stderr]).toEqual([1, expect.stringMatching(/part 1 of 2 is missing .*\[part\]/)]);

      // The same weights, quantized again into the same folder with another name in the vocabulary's place: another plan.
      const index = join(folder, "model/weights/weights.json");
      await writeFile(index, (await readFile(index, "utf8")).replace('"name": "', '"name": "other '));
      const stale = await pack(folder, "--merge");
      expect([stale.code, stale.stderr]).toEqual([1, expect.stringMatching(/1 of another plan lie/)]);
    }),
  );

  test.each([
    ["--shard", "9/8"],
    ["--shard", "eight"],
    ["--shard", "/8"],
  ])("refuses %s %s as a matter of usage", async (...words) => {
    const { code, stderr } = await s7l(["pack", "--weights-dir", "w", "--out", "o.s7l", ...words], {
      env: { SLURM_ARRAY_TASK_ID: "", JOB_COMPLETION_INDEX: "", AWS_BATCH_JOB_ARRAY_INDEX: "" },
    });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^s7l pack: .*\[shard\]\n$/)]);
  });

  test("is either a shard or a merge", async () => {
    const { code, stderr } = await s7l(["pack", "--weights-dir", "w", "--out", "o", "--shard", "1/2", "--merge"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("exclude each other")]);
  });
});

describe("checkpoint", () => {
  test("collects, lints, hashes and verifies, and says of damage what to do", { timeout: 120_000 }, () =>
    inFolder(async (folder) => {
      const copy = join(folder, "checkpoint");
      await cp(CHECKPOINTS, copy, { recursive: true });
      for (const words of [["collect"], ["lint", "--values"], ["manifest"], ["verify"]]) {
        const { code, stderr } = await s7l(["checkpoint", ...words, copy]);
        expect([code, stderr]).toEqual([0, ""]);
      }
      const shard = join(copy, "expert2_final/model.safetensors");
      const bytes = await readFile(shard);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await writeFile(shard, bytes);
      const found = await s7l(["checkpoint", "verify", copy]);
      expect(found.code).toBe(1);
      expect(found.stdout).toMatch(/expert2_final\/model\.safetensors has another SHA-256.*\[digest-differs\]/);
      expect(found.stdout).toMatch(/Corrupted files: fetch/);
      const json = await s7l(["checkpoint", "verify", copy, "--json"]);
      expect([json.code, objectOf(json)]).toMatchObject([1, { ok: false, findings: [{ code: "digest-differs" }] }]);
    }),
  );

  test("refuses what it does not know as a matter of usage", async () => {
    const { code, stderr } = await s7l(["checkpoint", "mend", "x"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("collect, lint, index, manifest, verify")]);
  });
});
