import {
  appendFile,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { removeCheckpoint, SHARDS, tinyCheckpoint } from "../../test/tiny-checkpoint.ts";
import { adviceFor, type FindingCode } from "./findings.ts";
import { indexCheckpoint } from "./index-checkpoint.ts";
import { makeManifest } from "./make-manifest.ts";
import { encodeManifest, parseManifest } from "./manifest.ts";
import { INDEX_FILE } from "./shard-index.ts";
import { verifyCheckpoint } from "./verify-checkpoint.ts";

const [FIRST = "", SECOND = ""] = SHARDS;
let folder = "";
const at = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = await tinyCheckpoint();
});
afterEach(() => removeCheckpoint(folder));

async function flip(name: string, offset: number): Promise<void> {
  const handle = await open(at(name), "r+");
  const byte = new Uint8Array(1);
  await handle.read(byte, 0, 1, offset);
  await handle.write(Uint8Array.of((byte[0] ?? 0) ^ 1), 0, 1, offset);
  await handle.close();
}

async function editManifest(edit: (text: string) => string): Promise<void> {
  await writeFile(at("manifest.json"), edit(await readFile(at("manifest.json"), "utf8")));
}

describe("index", () => {
  test("rebuilds the index that the writer of the checkpoint wrote", async () => {
    const written = JSON.parse(await readFile(at(INDEX_FILE), "utf8"));
    await rm(at(INDEX_FILE));
    const [built] = await indexCheckpoint(folder);
    const text = await readFile(at(INDEX_FILE), "utf8");
    expect(JSON.parse(text)).toEqual(written);
    expect(built).toMatchObject({ shards: 4, tensors: 21, bytes: written.metadata.total_size });
    // The form of json.dumps(..., indent=2, sort_keys=True) and a newline.
    expect(text).toBe(`${JSON.stringify(written, null, 2)}\n`);
  });

  test("refuses shards that share a tensor, and a folder without shards", async () => {
    await writeFile(at(SECOND), await readFile(at(FIRST)));
    await expect(indexCheckpoint(folder)).rejects.toMatchObject({ name: "QuantizeError", code: "tensor" });
    for (const shard of SHARDS) await rm(at(shard));
    await expect(indexCheckpoint(folder)).rejects.toMatchObject({ code: "checkpoint" });
  });
});

describe("manifest", () => {
  test("is canonical JSON and reads back", async () => {
    const { manifest, path } = await makeManifest(folder);
    const bytes = await readFile(path);
    const again: unknown = JSON.parse(bytes.toString());
    expect(bytes.toString()).toBe(JSON.stringify(again));
    expect(parseManifest(bytes, "manifest.json")).toEqual(manifest);
    expect([...manifest.keys()]).toContain("tokenizer.json");
    expect(await readdir(folder)).not.toContain(".manifest.json.journal");
  });

  test("takes up the digests that an interrupted run left, and no digest of a file that changed since", async () => {
    const whole = await readFile((await makeManifest(folder)).path);
    await rm(at("manifest.json"));
    const stop = new AbortController();
    const interrupted = makeManifest(folder, {
      signal: stop.signal,
      onProgress: (done, total) => {
        if (done > total / 2) stop.abort();
      },
    });
    await expect(interrupted).rejects.toMatchObject({ name: "AbortError" });
    const journal = await readFile(at(".manifest.json.journal"), "utf8");
    const finished = journal.split("\n").length - 1;
    expect(finished).toBeGreaterThan(0);

    // A line torn by the interruption is no line, and a digest of another moment is of no use.
    await appendFile(at(".manifest.json.journal"), journal.slice(0, 20));
    const done = SHARDS.find((name) => journal.includes(name)) ?? "";
    await utimes(at(done), 1, 1);
    const { resumed, path } = await makeManifest(folder);
    expect(resumed).toBe(finished - 1);
    expect(await readFile(path)).toEqual(whole);
  });

  test.skipIf(process.platform === "win32")("notes no digest in a file that its journal is a link to", async () => {
    const victim = `${folder}.victim`;
    await writeFile(victim, "mine\n");
    await symlink(victim, at(".manifest.json.journal"));
    try {
      await expect(makeManifest(folder)).rejects.toMatchObject({
        code: "io",
        message: expect.stringMatching(/a symbolic link has that name; give --out a folder that can be$/),
      });
      expect(await readFile(victim, "utf8")).toBe("mine\n");
    } finally {
      await rm(victim);
    }
  });

  test.each([FIRST, "config.json"])("takes not the place of %s", async (name) => {
    const there = await readFile(at(name));
    await expect(makeManifest(folder, { out: at(name) })).rejects.toMatchObject({
      code: "checkpoint",
      message: expect.stringContaining("is no manifest"),
    });
    expect(await readFile(at(name))).toEqual(there);
  });

  test("takes not the place of a folder, nor advises to remove it", async () => {
    await expect(makeManifest(folder, { out: folder })).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("is a folder; give the name of a file"),
    });
  });

  test("leaves no file out unseen because it lies deep", async () => {
    await mkdir(at("a/b/c/d"), { recursive: true });
    await writeFile(at("a/b/c/d/file"), "");
    expect([...(await makeManifest(folder)).manifest.keys()]).toContain("a/b/c/d/file");
    await mkdir(at("a/b/c/d/e"));
    await expect(makeManifest(folder)).rejects.toMatchObject({
      code: "checkpoint",
      at: at("a/b/c/d/e"),
      message: expect.stringContaining("move it out"),
    });
  });

  test.skipIf(process.platform === "win32")(
    "is not made where a link leads to no file, which verify names",
    async () => {
      await makeManifest(folder);
      await symlink("nowhere", at("vocab.txt"));
      const { ok, findings } = await verifyCheckpoint(folder);
      expect([ok, findings[0]]).toMatchObject([false, { code: "file-missing", at: "vocab.txt" }]);
      await rm(at("config.json"));
      await symlink("nowhere", at("config.json"));
      const named = (await verifyCheckpoint(folder)).findings.filter((finding) => finding.at === "config.json");
      expect(named).toHaveLength(1);
      await expect(makeManifest(folder)).rejects.toMatchObject({ code: "checkpoint", at: "config.json" });
    },
  );

  test("takes the place of an older one", async () => {
    const { path } = await makeManifest(folder);
    await writeFile(at("more.json"), "{}");
    expect([...(await makeManifest(folder)).manifest.keys()]).toContain("more.json");
    expect(await verifyCheckpoint(folder)).toMatchObject({ ok: true });
    expect(path).toBe(at("manifest.json"));
  });

  test.each<[string, (text: string) => string]>([
    ["is no JSON", (text) => text.slice(1)],
    ["is of another format", (text) => text.replace("s7l-manifest", "other")],
    ["is of another version", (text) => text.replace('"version":1', '"version":2')],
    ["was indented", (text) => JSON.stringify(JSON.parse(text), null, 1)],
    ["has a size that is no size", (text) => text.replace(/"size":\d+/, '"size":-1')],
    ["has a digest of 63 digits", (text) => text.replace(/"sha256":"./, '"sha256":"')],
    ["has a key more", (text) => text.replace("}", ',"x":1}')],
    ["names a file twice", (text) => text.replace(/\{("config\.json":\{[^}]*\})/, "{$1,$1")],
  ])("is refused when it %s", async (_, edit) => {
    await makeManifest(folder);
    await editManifest(edit);
    expect(await verifyCheckpoint(folder)).toMatchObject({ ok: false, findings: [{ code: "manifest-broken" }] });
  });
});

describe("verify", () => {
  beforeEach(() => makeManifest(folder));

  test("finds as many things wrong as there are", async () => {
    const index = JSON.parse(await readFile(at(INDEX_FILE), "utf8"));
    for (let i = 0; i < 200_000; i++) index.weight_map[`more.${i}`] = FIRST;
    await writeFile(at(INDEX_FILE), JSON.stringify(index));
    const { findings } = await verifyCheckpoint(folder);
    expect(findings.filter(({ code }) => code === "index-differs")).toHaveLength(200_000);
  });

  test("finds nothing wrong with what the manifest was made of", async () => {
    const { size } = await stat(at("manifest.json"));
    expect(size).toBeGreaterThan(0);
    expect(await verifyCheckpoint(folder)).toMatchObject({ ok: true, findings: [], files: 8 });
  });

  test.each<[string, () => Promise<unknown>, FindingCode, string]>([
    ["a flipped byte in the first shard", () => flip(FIRST, 3000), "digest-differs", FIRST],
    ["a flipped byte in the config", () => flip("config.json", 30), "digest-differs", "config.json"],
    ["a truncated shard", () => truncate(at(SECOND), 2000), "size-differs", SECOND],
    ["a shard with a byte more", () => appendFile(at(SECOND), "x"), "size-differs", SECOND],
    ["a missing shard", () => rm(at(SECOND)), "shard-missing", SECOND],
    ["a missing tokenizer", () => rm(at("tokenizer.json")), "file-missing", "tokenizer.json"],
    ["a file more", () => writeFile(at("extra.json"), "{}"), "file-extra", "extra.json"],
    ["no manifest", () => rm(at("manifest.json")), "manifest-missing", "manifest.json"],
    ["no index", () => rm(at(INDEX_FILE)), "index-missing", INDEX_FILE],
    [
      "a wrong index entry",
      async () => {
        const text = await readFile(at(INDEX_FILE), "utf8");
        await writeFile(at(INDEX_FILE), text.replace(/"lm_head.weight": "[^"]*"/, `"lm_head.weight": "${SHARDS[3]}"`));
      },
      "index-differs",
      "lm_head.weight",
    ],
  ])("names %s", async (_, damage, code, place) => {
    await damage();
    const { ok, findings } = await verifyCheckpoint(folder);
    expect(ok).toBe(false);
    expect(findings).toContainEqual(expect.objectContaining({ code, at: expect.stringContaining(place) }));
  });

  test("says of a manifest that is not there how to make one, and advises to fetch nothing", async () => {
    await rm(at("manifest.json"));
    const { findings } = await verifyCheckpoint(folder);
    expect(findings.map(({ message }) => message)).toEqual([
      expect.stringContaining(`s7l checkpoint manifest ${folder}`),
    ]);
    expect(adviceFor(findings)).toEqual([]);
  });

  test("names a shard of another model of the same shape", async () => {
    const other = await tinyCheckpoint(8);
    await writeFile(at(SECOND), await readFile(join(other, SECOND)));
    await removeCheckpoint(other);
    const { findings } = await verifyCheckpoint(folder);
    expect(findings).toMatchObject([{ code: "digest-differs", at: SECOND }]);
  });

  test("says of a manifest of another revision that it is one", async () => {
    const other = await tinyCheckpoint(8);
    const { path } = await makeManifest(other);
    await writeFile(at("manifest.json"), await readFile(path));
    await removeCheckpoint(other);
    const { findings } = await verifyCheckpoint(folder);
    expect(findings.map(({ code }) => code)).toContain("manifest-of-another-revision");
  });

  test("cannot be led out of the folder by a name in the manifest", async () => {
    const entry = { size: 1, sha256: "0".repeat(64) };
    await writeFile(at("manifest.json"), encodeManifest(new Map([["../../etc/passwd", entry]])));
    const { findings } = await verifyCheckpoint(folder);
    expect(findings).toContainEqual(expect.objectContaining({ code: "file-missing", at: "../../etc/passwd" }));
  });
});
