/** Ctrl-C, a full disk, a reader that goes away: nothing half-written stands under a final name, and nothing else stays. */
import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { s7l } from "./binary.ts";
import { inFolder, MINI } from "./folder.ts";

const CHECKPOINTS = join(MINI, "checkpoints");

describe("Ctrl-C", () => {
  test("in the middle of build leaves what stood there, and no temporary file", () =>
    inFolder(async (folder) => {
      await writeFile(join(folder, "m.s7l"), "S7LM, an artifact before");
      const { code, stdout, stderr } = await s7l(["build", CHECKPOINTS, "--out", join(folder, "m.s7l")], {
        interruptWhen: { folder, ending: ".parts" },
      });
      expect(stderr).toMatch(/^s7l build: stopped by SIGINT before it was done \[interrupted\]\n$/);
      expect([code, stdout]).toEqual([2, ""]);
      expect(await readdir(folder)).toEqual(["m.s7l"]);
      expect(await readFile(join(folder, "m.s7l"), "utf8")).toBe("S7LM, an artifact before");
    }));

  test("in the middle of quantize leaves no folder", () =>
    inFolder(async (folder) => {
      const out = join(folder, "weights");
      const { code, stderr } = await s7l(["quantize", "--checkpoint", CHECKPOINTS, "--out", out], {
        interruptWhen: { folder, ending: "weights" },
      });
      expect([code, stderr]).toEqual([2, expect.stringContaining("stopped by SIGINT")]);
      expect(await readdir(folder)).toEqual([]);
    }));

  test("in the middle of demo leaves nothing in the folder for temporary files", () =>
    inFolder(async (folder) => {
      const { code, stderr } = await s7l(["demo"], {
        env: { TMPDIR: folder },
        // The demo's own folder is the first thing there.
        interruptWhen: { folder, ending: "" },
      });
      expect([code, stderr]).toEqual([2, expect.stringContaining("stopped by SIGINT")]);
      expect(await readdir(folder)).toEqual([]);
    }));
});

const small = mountSmall();

describe.skipIf(!small)("a full disk", () => {
  test.each([
    ["build", (out: string) => ["build", CHECKPOINTS, "--out", join(out, "m.s7l")]],
    ["quantize", (out: string) => ["quantize", "--checkpoint", CHECKPOINTS, "--out", join(out, "w")]],
  ])("stops %s in one sentence and leaves nothing on it", (verb, words) =>
    inFolder(async (folder) => {
      const out = join(folder, "disk");
      await mkdir(out);
      expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", out]).status).toBe(0);
      try {
        const { code, stderr } = await s7l(words(out));
        expect(stderr).toMatch(new RegExp(`^s7l ${verb}: .* the disk is full \\[io\\]\\n$`));
        expect(code).toBe(2);
        expect(await readdir(out)).toEqual([]);
      } finally {
        spawnSync("umount", [out]);
      }
    }),
  );
});

/** `ulimit -f` counts in blocks of 512 bytes, and needs no root. */
describe.skipIf(process.platform === "win32")("a disk that is full in the middle", () => {
  const limited = (blocks: number, words: readonly string[]) =>
    spawnSync(
      "sh",
      [
        "-c",
        `ulimit -f ${blocks} && exec "$0" "$@"`,
        process.execPath,
        join(import.meta.dirname, "../bin/s7l.js"),
        ...words,
      ],
      { encoding: "utf8" },
    );

  test.each<[string, string, (place: string) => readonly string[]]>([
    ["build", "m.s7l", (place) => ["build", CHECKPOINTS, "--out", join(place, "m.s7l")]],
    ["quantize", "weights.bin", (place) => ["quantize", "--checkpoint", CHECKPOINTS, "--out", place]],
  ])("stops %s in one sentence, keeps what was noted, and the next run goes on from there", (verb, result, wordsFor) =>
    inFolder(async (folder) => {
      const [plain, place] = [join(folder, "plain"), join(folder, "limited")];
      for (const made of [plain, place]) await mkdir(made);
      expect((await s7l(wordsFor(plain))).code).toBe(0);
      // 2 MB of 5: beyond is no room.
      const full = limited(4000, [...wordsFor(place), "--save-every", "0"]);
      expect(full.stderr).toMatch(new RegExp(`s7l ${verb}: .* cannot be written: .*ulimit -f.*\\[io\\]\\n$`));
      expect(full.stderr).toMatch(/^what is finished lies in .* goes on from there\n/);
      expect([full.status, full.stdout]).toEqual([2, ""]);
      expect(await readdir(place)).not.toContain(result);
      const again = await s7l([...wordsFor(place), "--json"]);
      expect(again).toMatchObject({ code: 0, stderr: "" });
      expect((await readdir(place)).sort()).toEqual((await readdir(plain)).sort());
      expect((await readFile(join(place, result))).equals(await readFile(join(plain, result)))).toBe(true);
    }),
  );
});

test.skipIf(process.platform !== "linux")("a full disk under a redirection is said", () => {
  const script = `"$0" "$1" inspect "$2" --tensors > /dev/full`;
  const binary = join(import.meta.dirname, "../bin/s7l.js");
  const { status, stderr } = spawnSync(
    "sh",
    ["-c", script, process.execPath, binary, join(CHECKPOINTS, "expert0_final/model.safetensors")],
    {
      encoding: "utf8",
    },
  );
  expect([status, stderr]).toEqual([2, expect.stringMatching(/stdout cannot be written: .*ENOSPC/)]);
});

test.skipIf(process.platform === "win32")("a reader that has seen enough is no error", () => {
  const script = `"$0" "$1" inspect "$2" --tensors --json | head -c 10`;
  const binary = join(import.meta.dirname, "../bin/s7l.js");
  const file = join(CHECKPOINTS, "trunk_final/model.safetensors");
  const { stdout, stderr } = spawnSync("sh", ["-c", script, process.execPath, binary, file], { encoding: "utf8" });
  expect([stdout, stderr]).toEqual(['{"format":', ""]);
});

/** Whether this process may mount a small file system (root, outside a container that forbids it). */
function mountSmall(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  return spawnSync("unshare", ["-m", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]).status === 0;
}
