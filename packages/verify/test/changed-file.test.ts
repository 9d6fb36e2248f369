import { openAsBlob } from "node:fs";
import { appendFile, mkdtemp, open, rename, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ByteSource, blobSource, FormatError, leafHash, toHex } from "@s7l/format";
import { type FileSource, openFileSource } from "@s7l/format/file";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openVerified, type Verification, verify } from "../src/index.ts";
import { sealTiny } from "./seal-tiny.ts";

let artifact: Uint8Array;
let expectedRoot: string;
let folder: string;
let path: string;
let source: FileSource;

beforeAll(async () => {
  artifact = await sealTiny("dense");
  expectedRoot = toHex(artifact.subarray(224, 256));
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-"));
  path = join(folder, "model.s7l");
  source = await freshSource();
});

afterEach(async () => {
  await source.close();
  await rm(folder, { recursive: true });
});

/** The artifact's file as it was, of a time in whole seconds, which can be set back exactly. */
async function freshSource(): Promise<FileSource> {
  await writeFile(path, artifact);
  await utimes(path, 1_700_000_000, 1_700_000_000);
  // Times have the grain of the kernel's clock, some milliseconds.
  await new Promise((resolve) => setTimeout(resolve, 20));
  return openFileSource(path);
}

/** Flips a bit in place and sets the time back, as whoever wants to go unnoticed does. */
async function rewrite(at: number): Promise<void> {
  const { atime, mtime } = await stat(path);
  const handle = await open(path, "r+");
  await handle.write(Uint8Array.of((artifact[at] ?? 0) ^ 1), 0, 1, at);
  await handle.close();
  await utimes(path, atime, mtime);
}

/** The file, changed by someone else once `reads` pieces of it were read. */
function changedAfter(reads: number, change: () => Promise<void>): ByteSource & { readonly reads: () => number } {
  let done = 0;
  const counted = async <T>(read: () => Promise<T>): Promise<T> => {
    if (done++ === reads) await change();
    return read();
  };
  return {
    size: source.size,
    read: (offset, length) => counted(() => source.read(offset, length)),
    assertUnchanged: source.assertUnchanged,
    reads: () => done,
  };
}

/** Accepted, refused by a rule, or a failure to read. */
async function outcome(act: () => Promise<Verification>): Promise<"accepted" | "refused" | "unreadable"> {
  try {
    return (await act()).ok ? "accepted" : "refused";
  } catch (error) {
    if (error instanceof FormatError && error.code === "io") return "unreadable";
    throw error;
  }
}

const CHANGES: readonly (readonly [string, () => Promise<void>])[] = [
  ["grows", () => appendFile(path, "x")],
  ["is cut", () => truncate(path, artifact.length - 32)],
  ["is emptied", () => truncate(path, 0)],
  ["is rewritten at its front, its time set back", () => rewrite(100)],
  ["is rewritten in its sections, its time set back", () => rewrite(1200)],
  ["is rewritten at its end, its time set back", () => rewrite(artifact.length - 100)],
];

describe("a file that changes while it is verified", () => {
  test.each(CHANGES)("is not accepted when it %s, however late", async (_, change) => {
    const whole = changedAfter(Number.POSITIVE_INFINITY, change);
    expect(await outcome(() => verify(whole))).toBe("accepted");
    for (const reads of [0, 1, 2, Math.floor(whole.reads() / 2), whole.reads() - 1]) {
      await source.close();
      source = await freshSource();
      const late = changedAfter(reads, change);
      expect(await outcome(() => verify(late, { expectedRoot })), `after ${reads} reads`).not.toBe("accepted");
    }
  });

  test("is read as it was opened when another takes its name", async () => {
    const replaced = changedAfter(2, async () => {
      await writeFile(join(folder, "other"), new Uint8Array(artifact.length));
      await rename(join(folder, "other"), path);
    });
    expect(await verify({ size: replaced.size, read: replaced.read }, { expectedRoot })).toMatchObject({ ok: true });
  });
});

describe("a file that changes after it was verified", () => {
  test.each(CHANGES.slice(0, 3))("gives what was verified or fails to be read when it %s", async (_, change) => {
    const { artifact: verified } = await verify(source);
    if (!verified) throw new Error("not verified");
    const before = await Promise.all(verified.plan.map(({ name }) => verified.read(name)));
    await change();
    for (const [i, { name }] of verified.plan.entries()) {
      const read = await verified.read(name).catch((error: unknown) => error);
      if (read instanceof Error) expect(read).toMatchObject({ name: "FormatError", code: "io" });
      else expect(read).toEqual(before[i]);
    }
  });

  test("is refused by the digest of what was rewritten, and no byte of it stays behind", async () => {
    const { artifact: verified } = await verify(source);
    const tensor = verified?.plan.at(-1);
    if (!verified || !tensor) throw new Error("not verified");
    const { offset, length } = verified.record(tensor.name);
    const dataAt = artifact.length - verified.plan.reduce((sum, { name }) => sum + verified.record(name).length, 0);
    await rewrite(dataAt + offset);
    const target = new Uint8Array(length).fill(9);
    await expect(verified.readInto(tensor.name, target)).rejects.toMatchObject({ rule: "V3", code: "chunk" });
    expect(target.every((byte) => byte === 0)).toBe(true);
    const [first] = verified.plan;
    expect(await verified.read(first?.name ?? "")).toBeInstanceOf(Uint8Array);
  });

  test("is refused by the root of its leaves where these were rewritten", async () => {
    const { artifact: verified } = await verify(source);
    const [tensor] = verified?.plan ?? [];
    if (!verified || !tensor) throw new Error("not verified");
    const data = verified.plan.reduce((sum, { name }) => sum + verified.record(name).length, 0);
    await rewrite(artifact.length - data - 32 * verified.plan.length);
    await expect(verified.read(tensor.name)).rejects.toMatchObject({ rule: "V3", code: "tensor-root" });
  });
});

describe("a Blob of a file", () => {
  test("is not read any more once the file changed", async () => {
    const blob = blobSource(await openAsBlob(path));
    const { artifact: verified } = await verify(blob, { expectedRoot });
    const [tensor] = verified?.plan ?? [];
    if (!verified || !tensor) throw new Error("not verified");
    await new Promise((resolve) => setTimeout(resolve, 20));
    await appendFile(path, "x");
    await expect(verified.read(tensor.name)).rejects.toMatchObject({ name: "FormatError", code: "io" });
    expect(await outcome(() => verify(blob))).toBe("unreadable");
  });
});

describe.each([Uint8Array, Buffer])("a source that writes to memory which it gave, of class %o,", (kind) => {
  test("passes off no weight: not with the leaf of it written into the leaves that were given before", async () => {
    const honest = await openVerified(source);
    const tensor = honest.plan.find(({ dtype }) => dtype === "i8");
    if (!tensor) throw new Error("no matrix");
    const { offset, length } = honest.record(tensor.name);
    const at = artifact.length - honest.plan.reduce((sum, { name }) => sum + honest.record(name).length, 0) + offset;
    const given: Uint8Array[] = [];
    const read = async (from: number, count: number): Promise<Uint8Array> => {
      const bytes = kind.from(artifact.subarray(from, from + count));
      if (from !== at || count !== length) {
        given.push(bytes);
        return bytes;
      }
      const before = Buffer.from(leafHash(bytes));
      bytes[0] = bytes[0] === 1 ? 2 : 1;
      for (const memory of given) {
        const place = Buffer.from(memory.buffer, memory.byteOffset, memory.length).indexOf(before);
        if (place >= 0) memory.set(leafHash(bytes), place);
      }
      return bytes;
    };
    const lying = { size: artifact.length, read };
    expect(await verify(lying, { expectedRoot })).toMatchObject({ ok: false, broken: { id: "V3", code: "chunk" } });
    const opened = await openVerified(lying, { expectedRoot });
    await expect(opened.read(tensor.name)).rejects.toMatchObject({ code: "chunk" });
  });
});
