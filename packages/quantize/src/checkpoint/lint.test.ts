import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { removeCheckpoint, SHARDS, tinyCheckpoint } from "../../test/tiny-checkpoint.ts";
import type { FindingCode } from "./findings.ts";
import { lintCheckpoint } from "./lint.ts";
import { INDEX_FILE } from "./shard-index.ts";

const [FIRST = "", SECOND = ""] = SHARDS;
let folder = "";

beforeEach(async () => {
  folder = await tinyCheckpoint();
});
afterEach(() => removeCheckpoint(folder));

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** Rewrites a shard's header; the data stays. */
async function editHeader(name: string, edit: (header: Header) => string | Header): Promise<void> {
  const path = join(folder, name);
  const bytes = await readFile(path);
  const size = Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...header } = JSON.parse(bytes.toString("utf8", 8, 8 + size));
  const edited = edit(header);
  const text = Buffer.from(typeof edited === "string" ? edited : JSON.stringify(edited));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  await writeFile(path, Buffer.concat([prefix, text, bytes.subarray(8 + size)]));
}

async function editIndex(edit: (map: Record<string, string>) => void): Promise<void> {
  const path = join(folder, INDEX_FILE);
  const index = JSON.parse(await readFile(path, "utf8"));
  edit(index.weight_map);
  await writeFile(path, JSON.stringify(index));
}

/** Puts a value into the data of a shard, `from` bytes before its end. */
async function poke(name: string, from: number, ...bytes: readonly number[]): Promise<void> {
  const handle = await open(join(folder, name), "r+");
  const { size } = await handle.stat();
  await handle.write(Uint8Array.from(bytes), 0, bytes.length, size - from);
  await handle.close();
}

const firstOf = (header: Header): string => Object.keys(header)[0] ?? "";

describe("lint", () => {
  test("finds as many things wrong as there are", async () => {
    await editIndex((map) => {
      for (let i = 0; i < 200_000; i++) map[`more.${i}`] = FIRST;
    });
    expect((await lintCheckpoint(folder)).findings).toHaveLength(200_000);
  });

  test("finds nothing wrong with a whole checkpoint, whose values are finite", async () => {
    const lint = await lintCheckpoint(folder, { values: true });
    expect(lint).toMatchObject({ ok: true, findings: [], shards: 4, tensors: 21 });
  });

  test.each<[string, (header: Header) => string | Header, FindingCode, RegExp]>([
    ["a header that is no JSON", () => "{", "header-broken", /JSON/],
    ["a header that is a list", () => "[]", "header-broken", /map/],
    [
      "a name that is there twice",
      (header) => JSON.stringify(header).replace("{", `{${JSON.stringify(firstOf(header))}:{},`),
      "header-broken",
      /twice/,
    ],
    [
      "an unknown dtype",
      (header) => ({ ...header, [firstOf(header)]: { ...Object.values(header)[0], dtype: "F7" } as Header[string] }),
      "header-broken",
      /dtype/,
    ],
    [
      "a shape that does not fit its bytes",
      (header) => {
        const entry = header[firstOf(header)];
        entry?.shape.push(2);
        return header;
      },
      "header-broken",
      /takes/,
    ],
    [
      "two tensors that overlap",
      (header) => {
        const [a, b] = Object.values(header);
        if (a && b) b.data_offsets = [a.data_offsets[0], a.data_offsets[0] + b.data_offsets[1] - b.data_offsets[0]];
        return header;
      },
      "header-broken",
      /overlaps|gap/,
    ],
    [
      "offsets past the end",
      (header) => {
        for (const { data_offsets } of Object.values(header)) {
          data_offsets[0] += 64;
          data_offsets[1] += 64;
        }
        return header;
      },
      "header-broken",
      /cut off|gap/,
    ],
    [
      "weights that are quantized already",
      (header) => {
        const entry = Object.values(header)[0];
        if (entry) Object.assign(entry, { dtype: "I8", shape: [entry.data_offsets[1] - entry.data_offsets[0]] });
        return header;
      },
      "dtype-unusable",
      /I8/,
    ],
    [
      "a tensor of another name",
      (header) => {
        const name = firstOf(header);
        const { [name]: entry, ...rest } = header;
        return entry ? { "renamed.weight": entry, ...rest } : header;
      },
      "index-differs",
      /renamed|should be/,
    ],
  ])("names %s", async (_, edit, code, message) => {
    await editHeader(SECOND, edit);
    const { ok, findings } = await lintCheckpoint(folder);
    expect(ok).toBe(false);
    const found = findings.filter((finding) => finding.code === code);
    expect(found.length).toBeGreaterThan(0);
    expect(found[0]?.message).toMatch(message);
  });

  test("notes data that is not aligned, which is no fault", async () => {
    await editHeader(
      SECOND,
      (header) => `${JSON.stringify(header)}${" ".repeat(JSON.stringify(header).length % 2 ? 2 : 1)}`,
    );
    const { ok, findings } = await lintCheckpoint(folder);
    expect(ok).toBe(true);
    expect(findings.map(({ code }) => code)).toContain("misaligned");
  });

  test("names a tensor that is in two shards, and the shards", async () => {
    await writeFile(join(folder, SECOND), await readFile(join(folder, FIRST)));
    const { findings } = await lintCheckpoint(folder);
    const twice = findings.find(({ code }) => code === "tensor-twice");
    expect(twice?.message).toContain(FIRST);
    expect(twice?.message).toContain(SECOND);
  });

  test.each<[string, (map: Record<string, string>) => void]>([
    ["puts a tensor in another shard", (map) => Object.assign(map, { "lm_head.weight": SHARDS[3] })],
    ["lists a tensor that is nowhere", (map) => Object.assign(map, { "ghost.weight": FIRST })],
    [
      "lists a tensor less",
      (map) => {
        delete map["lm_head.weight"];
      },
    ],
  ])("names the tensor where the index %s", async (_, edit) => {
    await editIndex(edit);
    const { findings } = await lintCheckpoint(folder);
    expect(findings.map(({ code, at }) => [code, at])).toEqual([
      ["index-differs", expect.stringMatching(/^(lm_head|ghost)\.weight$/)],
    ]);
  });

  test("names the first tensor that the config does not imply", async () => {
    const other = await tinyCheckpoint(7, { intermediate_size: 64 });
    await writeFile(join(folder, "config.json"), await readFile(join(other, "config.json")));
    await removeCheckpoint(other);
    const { findings } = await lintCheckpoint(folder);
    expect(findings).toMatchObject([
      { code: "model-differs", severity: "error", message: expect.stringMatching(/mlp/) },
    ]);
  });

  test.each<[string, readonly number[], RegExp]>([
    ["NaN", [0xc0, 0x7f], /is NaN at \[/],
    ["infinity", [0x80, 0x7f], /is Infinity at \[/],
    ["minus infinity", [0x80, 0xff], /is -Infinity at \[/],
  ])("finds %s among the values on request only", async (_, bytes, message) => {
    await poke(SECOND, 2, ...bytes);
    expect((await lintCheckpoint(folder)).ok).toBe(true);
    const { findings } = await lintCheckpoint(folder, { values: true });
    expect(findings).toMatchObject([{ code: "value-not-finite", message: expect.stringMatching(message) }]);
  });
});
