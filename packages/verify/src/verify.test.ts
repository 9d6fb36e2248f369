import { fakeDigests, fakeGoldens, TINY_KINDS, tinyWeights } from "@s7l/fixtures";
import { memorySink, memorySource, toHex } from "@s7l/format";
import { type GoldenCallback, seal } from "@s7l/pack";
import { beforeAll, describe, expect, test } from "vitest";
import { replay, sealTiny } from "../test/seal-tiny.ts";
import { RULES } from "./errors.ts";
import { openVerified, verify } from "./verify.ts";

let artifact: Uint8Array;
let root: string;

beforeAll(async () => {
  artifact = await sealTiny("routed");
  root = toHex(artifact.subarray(224, 256));
});

describe("verify", () => {
  test.each(TINY_KINDS)("accepts a sealed %s artifact by every rule", async (kind) => {
    const result = await verify(memorySource(await sealTiny(kind)), { replay });
    expect(result.rules).toEqual(
      RULES.map((id) => (id === "V6" ? { id, ok: true, replayed: true } : { id, ok: true })),
    );
    expect(result).toMatchObject({ ok: true, integrity: "whole", authenticity: "unproven" });
    expect(result.coverage.chunks).toBe(result.coverage.total);
  });

  test("says that nothing was replayed where no replay is given", async () => {
    const { ok, rules } = await verify(memorySource(artifact));
    expect(ok).toBe(true);
    expect(rules[6]).toEqual({ id: "V6", ok: true, replayed: false });
  });

  test("refuses a replay that is off in one prompt, and names the prompt", async () => {
    const off = await verify(memorySource(artifact), {
      replay: async (_, prompts) =>
        fakeDigests(prompts).map((digest, i) => (i === 2 ? digest.map((byte) => byte ^ 1) : digest)),
    });
    expect(off.rules[6]).toMatchObject({ id: "V6", ok: false, code: "replay", at: "GOLDEN[2]" });
    expect(off.artifact).toBeUndefined();
  });

  test("refuses a replay that gives too few digests", async () => {
    const short = await verify(memorySource(artifact), { replay: async () => [] });
    expect(short.rules[6]).toMatchObject({ ok: false, code: "replay", at: "GOLDEN[0]" });
  });

  test("takes a pinned root as bytes or as hexadecimal of either case", async () => {
    for (const expectedRoot of [root, root.toUpperCase(), artifact.slice(224, 256)]) {
      expect(await verify(memorySource(artifact), { expectedRoot })).toMatchObject({
        ok: true,
        authenticity: "pinned",
        root,
      });
    }
  });

  test.each(["", "00", "zz".repeat(32), "0".repeat(64), "0x".concat("0".repeat(64))])(
    "refuses everything under the pinned root %j",
    async (expectedRoot) => {
      const result = await verify(memorySource(artifact), { expectedRoot });
      expect(result).toMatchObject({ ok: false, authenticity: "unproven" });
      expect(result.rules[7]).toMatchObject({ id: "V7", ok: false, code: "root-unexpected" });
    },
  );

  test("verifies one expert alone and says how much that is", async () => {
    const read: number[] = [];
    const source = memorySource(artifact);
    const counting = {
      size: source.size,
      read: (offset: number, length: number) => {
        read.push(length);
        return source.read(offset, length);
      },
    };
    const one = await verify(counting, { expert: 1, replay });
    expect(one).toMatchObject({ ok: true, integrity: "partial" });
    expect(one.coverage.chunks).toBeGreaterThan(0);
    expect(one.coverage.chunks).toBeLessThan(one.coverage.total);
    expect(one.rules[6]).toMatchObject({ ok: true, replayed: false });
    expect(read.reduce((sum, n) => sum + n, 0)).toBeLessThan(artifact.length);
  });

  test("calls no rule broken where the artifact lacks the expert that is asked for, but says which it has", async () => {
    await expect(verify(memorySource(artifact), { expert: 4 })).rejects.toMatchObject({
      code: "option",
      message: "the artifact has 4 experts, from 0 on",
    });
  });

  test("throws what the source throws, as an error of reading and not of the artifact", async () => {
    const source = { size: artifact.length, read: () => Promise.reject(new TypeError("network down")) };
    await expect(verify(source)).rejects.toMatchObject({
      name: "FormatError",
      code: "io",
      message: expect.stringContaining("network down"),
    });
  });

  test("refuses to work with a source that gives fewer bytes than asked", async () => {
    const source = {
      size: artifact.length,
      read: async (offset: number, length: number) => artifact.subarray(offset, offset + length - 1),
    };
    await expect(verify(source)).rejects.toMatchObject({ code: "io" });
  });

  test("stops when it is aborted", async () => {
    await expect(verify(memorySource(artifact), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
  });

  test("passes on an error of the replay itself", async () => {
    const replay = () => Promise.reject(new Error("no engine"));
    await expect(verify(memorySource(artifact), { replay })).rejects.toThrow("no engine");
  });

  test("reports progress up to the whole", async () => {
    const seen: number[] = [];
    const bug = new TypeError("the caller's own");
    const failing = (): never => {
      throw bug;
    };
    await expect(verify(memorySource(artifact), { onProgress: failing })).rejects.toBe(bug);
    const { coverage } = await verify(memorySource(artifact), { onProgress: ({ chunks }) => seen.push(chunks) });
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(coverage.total);
  });
});

describe("openVerified", () => {
  test("reads no tensor and exposes what it verified", async () => {
    const opened = await openVerified(memorySource(artifact), { expectedRoot: root });
    expect(toHex(opened.root)).toBe(root);
    expect(opened.coverage().chunks).toBe(0);
    expect(opened.components.map(({ name }) => name)).toEqual([
      "embedding",
      "expert0",
      "expert1",
      "expert2",
      "expert3",
      "trunk",
    ]);
  });

  test("does not open a draft, whose golden prompts were never run", async () => {
    let refused: unknown;
    const golden: GoldenCallback = async (draft, prompts) => {
      refused = await openVerified(draft).catch((error: unknown) => error);
      return fakeDigests(prompts);
    };
    const weights = tinyWeights("speck");
    await seal(weights, memorySink(), { ...fakeGoldens(weights), golden });
    expect(refused).toMatchObject({ name: "VerifyError", rule: "V6", code: "draft" });
  });

  test("throws the broken rule", async () => {
    const broken = artifact.slice();
    broken[300] = 255;
    await expect(openVerified(memorySource(broken))).rejects.toMatchObject({
      name: "VerifyError",
      rule: "V6",
      code: "table-digest",
    });
  });
});
