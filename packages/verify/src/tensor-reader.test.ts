import { type ByteSource, memorySource } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { sealWide } from "../test/seal-wide.ts";
import { openVerified, verify } from "./verify.ts";

let file: Uint8Array;
/** The largest tensor, which has several chunks, and where it lies. */
let name: string;
let from: number;
let length: number;

beforeAll(async () => {
  file = await sealWide();
  const artifact = await openVerified(memorySource(file));
  const places = artifact.plan.map((tensor) => ({ ...artifact.record(tensor.name), name: tensor.name }));
  const end = Math.max(...places.map((place) => place.offset + place.length));
  const largest = places.reduce((a, b) => (b.length > a.length ? b : a));
  ({ name, length } = largest);
  from = file.length - end + largest.offset;
});

/** The file as a source that has bytes at hand as long as `has` says so; `lie` may change what it gives at once. */
function nearSource(bytes: Uint8Array, has: () => boolean = () => true, lie: (target: Uint8Array) => void = () => {}) {
  const reads = { now: 0, later: 0 };
  const source: ByteSource = {
    ...memorySource(bytes),
    readInto: async (offset, target) => {
      reads.later++;
      target.set(bytes.subarray(offset, offset + target.length));
    },
    readNow: (offset, target) => {
      if (!has()) return false;
      reads.now++;
      target.set(bytes.subarray(offset, offset + target.length));
      lie(target);
      return true;
    },
  };
  return { source, reads };
}

describe("a source that has its bytes at hand", () => {
  test("is read at once, chunk by chunk, and never waited for", async () => {
    const { source, reads } = nearSource(file);
    const result = await verify(source);
    expect(result).toMatchObject({ ok: true, integrity: "whole" });
    expect(reads).toEqual({ now: result.coverage.total, later: 0 });
  });

  test("fills memory of the caller while others make it, and is not read at once for that", async () => {
    const { source, reads } = nearSource(file);
    const read = await (await openVerified(source)).read(name);
    expect(Buffer.compare(read, file.subarray(from, from + length))).toBe(0);
    expect(reads.now).toBe(0);
  });

  test.each([0, 1, 2, 3, 5, 50])("that has them for %i reads and then no more is waited for", async (times) => {
    let left = times;
    const { source, reads } = nearSource(file, () => left-- > 0);
    const result = await verify(source);
    expect(result).toMatchObject({ ok: true, integrity: "whole" });
    expect(reads).toEqual({ now: times, later: result.coverage.total - times });
  });

  test("is held to the leaves all the same", async () => {
    let honest = 1;
    const { source } = nearSource(
      file,
      () => true,
      (target) => {
        if (honest-- <= 0) target[0] = (target[0] ?? 0) ^ 1;
      },
    );
    const artifact = await openVerified(source);
    await expect(artifact.verifyTensor(name)).rejects.toMatchObject({
      name: "VerifyError",
      rule: "V3",
      code: "chunk",
      at: `${name}#1`,
    });
    expect(artifact.coverage().chunks).toBe(1);
  });
});

test("a byte that content forbids is a changed byte first, where the chunk is not the sealed one", async () => {
  const changed = file.slice();
  changed[from] = 0x80;
  expect(await verify(memorySource(changed))).toMatchObject({ broken: { id: "V3", code: "chunk", at: `${name}#0` } });
});
