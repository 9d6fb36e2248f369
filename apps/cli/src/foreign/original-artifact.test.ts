import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { concatBytes, memorySource, sha256 } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { readOriginalArtifact } from "./original-artifact.ts";

const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value);
const u32 = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const lane = (id: number, payload: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(id), u32(payload.length), payload, sha256(payload));

const record = (name: string, shape: readonly number[], stored: number): Uint8Array =>
  concatBytes(
    u16(name.length),
    text(name),
    Uint8Array.of(shape.length),
    ...shape.map(u32),
    u32(0x3c010204),
    new Uint8Array(stored),
  );

const PAYLOADS = [
  text("dict"),
  concatBytes(record("a", [3, 5], 32), record("b", [64], 64)),
  new Uint8Array(64).fill(7),
];

/** An artifact of version 2, its root as the original computes it for three lanes: the odd one paired with itself. */
function artifact(payloads: readonly Uint8Array[] = PAYLOADS, ids: readonly number[] = [1, 2, 4]): Uint8Array {
  const [a, b, c] = payloads.map((payload) => sha256(payload));
  const root = a && b && c ? sha256(sha256(a, b), sha256(c, c)) : new Uint8Array(32);
  return concatBytes(
    text("S7LM"),
    u16(2),
    Uint8Array.of(2, 5),
    root,
    ...payloads.map((it, i) => lane(ids[i] ?? 0, it)),
  );
}

describe("readOriginalArtifact", () => {
  test("reads header, lanes, sub-roots and tensors, and recomputes the hashes", async () => {
    const read = await readOriginalArtifact(memorySource(artifact()));
    expect(read).toMatchObject({ version: 2, class: 2, flags: 5, rootRecomputes: true });
    expect(read.lanes).toEqual([
      { id: 1, name: "DICT", size: 4, intact: true },
      { id: 2, name: "FIELD", size: PAYLOADS[1]?.length, intact: true },
      { id: 4, name: "EDGE", size: 64, intact: true },
    ]);
    expect(read.subRoots).toEqual(["07".repeat(32), "07".repeat(32)]);
    expect(read.tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ["a", [3, 5]],
      ["b", [64]],
    ]);
  });

  test("says which lane does not recompute, and that the root does not", async () => {
    const bytes = artifact();
    bytes[46] = (bytes[46] ?? 0) ^ 1;
    const read = await readOriginalArtifact(memorySource(bytes));
    expect(read.rootRecomputes).toBe(false);
    expect(read.lanes.map(({ intact }) => intact)).toEqual([false, true, true]);
  });

  test("shows the weakness of the original's tree: the last lane repeated gives the same root", async () => {
    const last = PAYLOADS.at(-1) ?? new Uint8Array();
    const read = await readOriginalArtifact(memorySource(concatBytes(artifact(), lane(4, last))));
    expect(read.rootRecomputes).toBe(true);
    expect(read.lanes).toHaveLength(4);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ["a file of nothing but a name", text("S7LM"), /too few for its header/],
    ["a file cut in a lane", artifact().subarray(0, -40), /lane 4 should have 64 bytes, but the file ends before/],
    ["a file cut in a lane's head", artifact().subarray(0, 43), /3 bytes follow its last lane/],
    [
      "a lane of 4 GiB",
      concatBytes(artifact(), Uint8Array.of(9), u32(0xffffffff)),
      /lane 9 should have 4294967295 bytes/,
    ],
    [
      "a file of empty lanes",
      concatBytes(artifact([]), ...Array.from({ length: 256 }, () => lane(1, text("")))),
      /more than 255 lanes/,
    ],
    [
      "a record that is cut",
      artifact([text("d"), record("a", [3, 5], 32).subarray(0, 6), text("")]),
      /record 0 of lane FIELD is cut off/,
    ],
    [
      "a tensor beyond its lane",
      artifact([text("d"), record("a", [3, 5], 31), text("")]),
      /tensor a \[3, 5\] reaches beyond lane FIELD/,
    ],
    [
      "dimensions whose product wraps",
      artifact([text("d"), record("a", [0xffffffff, 0xffffffff, 0xffffffff], 64), text("")]),
      /reaches beyond lane FIELD/,
    ],
    [
      "a rank of 255",
      artifact([
        text("d"),
        record(
          "a",
          Array.from({ length: 255 }, () => 1),
          32,
        ),
        text(""),
      ]),
      /has rank 255/,
    ],
    [
      "a name that is not UTF-8",
      artifact([text("d"), concatBytes(u16(1), Uint8Array.of(0xff)), text("")]),
      /a name is not UTF-8/,
    ],
  ])("refuses %s", async (_, bytes, message) => {
    await expect(readOriginalArtifact(memorySource(bytes))).rejects.toMatchObject({ code: "foreign" });
    await expect(readOriginalArtifact(memorySource(bytes))).rejects.toThrow(message);
  });

  test("reads many records by pieces", async () => {
    const many = Array.from({ length: 20_000 }, () => record("", [], 32));
    const memory = memorySource(artifact([text("d"), concatBytes(...many), text("")]));
    let reads = 0;
    const read = (offset: number, length: number): Promise<Uint8Array> => {
      reads++;
      return memory.read(offset, length);
    };
    expect((await readOriginalArtifact({ size: memory.size, read })).tensors).toHaveLength(20_000);
    expect(reads).toBeLessThan(50);
  });

  test("ends in a typed error or a description, whatever byte is changed", async () => {
    const bytes = artifact();
    for (let at = 0; at < bytes.length; at++) {
      for (const value of [0x00, 0x7f, 0xff]) {
        const changed = bytes.slice();
        changed[at] = value;
        await readOriginalArtifact(memorySource(changed)).catch((error: unknown) =>
          expect(error).toMatchObject({ name: "CliError", code: "foreign" }),
        );
      }
    }
  });
});

const reference = join(import.meta.dirname, "../../../../../shared/reference/s7-int8");

describe.skipIf(!existsSync(reference))("the original's own model.s7l", () => {
  test("has the lanes, the sub-roots and the root that its maker states", async () => {
    const stated = JSON.parse(await readFile(join(reference, "reference.json"), "utf8")).s7l;
    const read = await readOriginalArtifact(memorySource(await readFile(join(reference, "model.s7l"))));
    expect(read).toMatchObject({ version: 2, root: stated.root, rootRecomputes: true, subRoots: stated.sub_roots });
    expect(read.lanes.every(({ intact }) => intact)).toBe(true);
    expect(read.tensors).toHaveLength(63);
  });
});
