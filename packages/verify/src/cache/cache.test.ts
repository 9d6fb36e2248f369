import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ByteSource, equalBytes, leafHash, memorySource, sha256, toHex } from "@s7l/format";
import { openFolderCache } from "@s7l/format/file";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sealWide } from "../../test/seal-wide.ts";
import { openVerified, verify } from "../verify.ts";
import type { ChunkCache } from "./chunk-cache.ts";
import { memoryCache } from "./memory-cache.ts";
import { opfsCache } from "./opfs-cache.ts";

const NAME = "expert1.layer0.ffn.fc1.weight";
let artifact: Uint8Array;
let folder: string;

beforeAll(async () => {
  artifact = await sealWide();
  folder = await mkdtemp(join(tmpdir(), "s7l-cache-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A source that counts what is read of it beyond the front. */
function counted(bytes: Uint8Array): ByteSource & { long: number } {
  const source = memorySource(bytes);
  const counting = {
    size: source.size,
    long: 0,
    read: (offset: number, length: number) => {
      if (length > 8192) counting.long++;
      return source.read(offset, length);
    },
  };
  return counting;
}

/** As much of the browser's file system as the adapter uses. */
function fakeOpfs(): FileSystemDirectoryHandle {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const missing = (): never => {
    throw new DOMException("no such file", "NotFoundError");
  };
  const handle = (name: string) => ({
    getFile: async () => new File([files.get(name) ?? missing()], name),
    createWritable: async () => {
      let written = new Uint8Array(0);
      return {
        write: async (bytes: Uint8Array<ArrayBuffer>) => {
          written = bytes;
        },
        abort: async () => undefined,
        close: async () => {
          files.set(name, written);
        },
      };
    },
  });
  const directory = {
    getFileHandle: async (name: string, { create = false } = {}) =>
      create || files.has(name) ? handle(name) : missing(),
    removeEntry: async (name: string) => {
      if (!files.delete(name)) missing();
    },
  };
  return directory as unknown as FileSystemDirectoryHandle;
}

describe.each<[string, () => Promise<ChunkCache>]>([
  ["memory", async () => memoryCache(1 << 22)],
  ["OPFS", async () => opfsCache(fakeOpfs())],
  ["a folder", async () => openFolderCache(join(folder, "shared"))],
])("a cache in %s", (_, open) => {
  test("saves a second session every chunk that the first one read", async () => {
    const cache = await open();
    const first = counted(artifact);
    const span = await (await openVerified(first, { cache })).read(NAME);
    expect(first.long).toBe(2);
    const second = counted(artifact);
    const opened = await openVerified(second, { cache });
    expect(equalBytes(await opened.read(NAME), span)).toBe(true);
    expect(second.long).toBe(0);
    expect(opened.coverage().chunks).toBe(2);
  });

  test("is filled by verify, which reads the source all the same", async () => {
    const cache = await open();
    expect(await verify(memorySource(artifact), { cache })).toMatchObject({ ok: true, integrity: "whole" });
    const broken = artifact.slice();
    broken[broken.length - 1] = (broken[broken.length - 1] ?? 0) ^ 1;
    expect(await verify(memorySource(broken), { cache })).toMatchObject({ ok: false });
  });

  test("that was poisoned is found out, and the entry replaced", async () => {
    const cache = await open();
    const span = await (await openVerified(memorySource(artifact), { cache })).read(NAME);
    const key = toHex(leafHash(span.subarray(0, 65_536)));
    for (const poison of [span.subarray(1, 65_537), span.subarray(0, 65_535), new Uint8Array(0)]) {
      await cache.put(key, poison);
      const source = counted(artifact);
      expect(equalBytes(await (await openVerified(source, { cache })).read(NAME), span)).toBe(true);
      expect(source.long).toBe(1);
      expect(equalBytes((await cache.get(key)) ?? new Uint8Array(0), span.subarray(0, 65_536))).toBe(true);
    }
  });

  test("keeps bytes of its own", async () => {
    const cache = await open();
    const bytes = new Uint8Array(9).fill(1);
    await cache.put("ab".repeat(32), bytes);
    bytes.fill(2);
    const found = await cache.get("ab".repeat(32));
    expect(found).toEqual(new Uint8Array(9).fill(1));
    found?.fill(3);
    expect(await cache.get("ab".repeat(32))).toEqual(new Uint8Array(9).fill(1));
  });

  test("forgets what is deleted, and does not mind what it never had", async () => {
    const cache = await open();
    await cache.put("cd".repeat(32), new Uint8Array(1));
    await cache.delete("cd".repeat(32));
    await cache.delete("cd".repeat(32));
    expect(await cache.get("cd".repeat(32))).toBeUndefined();
  });
});

test("a cache that throws costs time and nothing else", async () => {
  const fail = () => Promise.reject(new DOMException("no room", "QuotaExceededError"));
  const cache: ChunkCache = { get: fail, put: fail, delete: fail };
  const opened = await openVerified(memorySource(artifact), { cache });
  const span = await (await openVerified(memorySource(artifact))).read(NAME);
  expect(equalBytes(await opened.read(NAME), span)).toBe(true);
});

test("a cache never stands in for a source that has other bytes in a verify", async () => {
  const cache = memoryCache(1 << 22);
  await verify(memorySource(artifact), { cache });
  const at = artifact.length - 100;
  const broken = artifact.slice();
  broken[at] = (broken[at] ?? 0) ^ 1;
  expect((await verify(memorySource(broken), { cache })).rules[3]).toMatchObject({ id: "V3", code: "chunk" });
});

test("memory is held to its limit, the longest unused going first", async () => {
  const cache = memoryCache(100);
  for (const key of ["a", "b", "c"]) await cache.put(key, new Uint8Array(40));
  expect(await cache.get("a")).toBeUndefined();
  expect(await cache.get("b")).toBeDefined();
  await cache.put("d", new Uint8Array(40));
  expect(await cache.get("c")).toBeUndefined();
  expect(await cache.get("b")).toBeDefined();
  await cache.put("e", new Uint8Array(101));
  expect(await cache.get("e")).toBeUndefined();
  expect(await cache.get("d")).toBeDefined();
});

describe("a cache that", () => {
  const copies = async () => {
    const kept = new Map<string, Uint8Array>();
    const span = await (await openVerified(memorySource(artifact))).read(NAME);
    for (const [from, end] of [
      [0, 65_536],
      [65_536, span.length],
    ] as const)
      kept.set(toHex(leafHash(span.subarray(from, end))), span.slice(from, end));
    return { kept, span };
  };

  test.each(Array.from({ length: 12 }, (_, turns) => turns))(
    "hands out memory of its own and writes to it %i turns later gives nothing that was not verified",
    async (turns) => {
      const { kept, span } = await copies();
      const cache: ChunkCache = {
        get: async (key) => {
          const live = kept.get(key)?.slice();
          const spoil = async () => {
            for (let i = 0; i < turns; i++) await undefined;
            live?.fill(0);
          };
          void spoil();
          return live;
        },
        put: async () => undefined,
        delete: async () => undefined,
      };
      expect(equalBytes(await (await openVerified(memorySource(artifact), { cache })).read(NAME), span)).toBe(true);
    },
  );

  test("writes to what it is given to keep does not reach the reader's memory", async () => {
    const { span } = await copies();
    const put = async (_: string, bytes: Uint8Array) => void bytes.fill(0);
    const cache: ChunkCache = { get: async () => undefined, put, delete: async () => undefined };
    expect(equalBytes(await (await openVerified(memorySource(artifact), { cache })).read(NAME), span)).toBe(true);
  });

  test("lets the source's memory be changed meanwhile lends no digest to what it was changed to", async () => {
    const live = artifact.slice();
    const { kept } = await copies();
    const put = async (key: string) => {
      // Each chunk of the tensor as it is kept: hashed already, on its way into the digest.
      const chunk = kept.get(key);
      const at = chunk ? Buffer.from(live).indexOf(chunk) : -1;
      if (at >= 0) live[at] = (live[at] ?? 0) ^ 1;
    };
    const cache: ChunkCache = { get: async () => undefined, put, delete: async () => undefined };
    const digest = await (await openVerified(memorySource(live), { cache })).digest();
    expect(equalBytes(live, artifact)).toBe(false);
    expect(toHex(digest)).toBe(toHex(sha256(artifact)));
  });
});
