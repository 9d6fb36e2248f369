import { afterEach, describe, expect, test, vi } from "vitest";
import { openOpfsCache, opfsCache } from "./opfs-cache.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

const key = "ab".repeat(32);
const missing = new DOMException("no such file", "NotFoundError");
const full = new DOMException("no room", "QuotaExceededError");

/** A folder whose streams write down what is done with them. */
function folderWith(change: { write?: () => Promise<void>; failure?: unknown } = {}) {
  const calls: string[] = [];
  const stream = {
    write: async (bytes: Uint8Array) => {
      calls.push(`write ${bytes.length}`);
      await change.write?.();
    },
    close: async () => void calls.push("close"),
    abort: async () => void calls.push("abort"),
  };
  const directory = {
    getFileHandle: async (name: string, options?: object) => {
      calls.push(`open ${name.slice(0, 2)} ${JSON.stringify(options)}`);
      if (change.failure) throw change.failure;
      return { createWritable: async () => stream, getFile: async () => new File([Uint8Array.of(1, 2)], name) };
    },
    removeEntry: async (name: string) => {
      calls.push(`remove ${name.slice(0, 2)}`);
      if (change.failure) throw change.failure;
    },
  };
  return { cache: opfsCache(directory as unknown as FileSystemDirectoryHandle), calls };
}

describe("a cache in OPFS", () => {
  test("makes an entry, and shows it once it is whole", async () => {
    const { cache, calls } = folderWith();
    await cache.put(key, new Uint8Array(3));
    expect(calls).toEqual(['open ab {"create":true}', "write 3", "close"]);
    expect(await cache.get(key)).toEqual(Uint8Array.of(1, 2));
    expect(calls.at(-1)).toBe("open ab undefined");
  });

  test("lets go of an entry that it cannot write, and says why", async () => {
    const { cache, calls } = folderWith({ write: () => Promise.reject(full) });
    await expect(cache.put(key, new Uint8Array(3))).rejects.toBe(full);
    expect(calls.slice(1)).toEqual(["write 3", "abort"]);
  });

  test("has nothing where there is no entry, and minds any other failure", async () => {
    const { cache } = folderWith({ failure: missing });
    expect(await cache.get(key)).toBeUndefined();
    await cache.delete(key);
    for (const failure of [full, "NotFoundError", { name: "NotFoundError" }]) {
      const broken = folderWith({ failure }).cache;
      await expect(broken.get(key)).rejects.toBe(failure);
      await expect(broken.delete(key)).rejects.toBe(failure);
    }
  });

  test("is a folder of the origin's, made where it is missing", async () => {
    const getDirectoryHandle = vi.fn(async () => ({ removeEntry: async () => undefined }));
    vi.stubGlobal("navigator", { storage: { getDirectory: async () => ({ getDirectoryHandle }) } });
    await (await openOpfsCache()).delete(key);
    await openOpfsCache("mine");
    expect(getDirectoryHandle.mock.calls).toEqual([
      ["s7l-chunks", { create: true }],
      ["mine", { create: true }],
    ]);
  });
});
