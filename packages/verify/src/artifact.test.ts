import { randomSpan } from "@s7l/fixtures";
import { type ByteSource, memorySource, sha256, spanLayout, toHex } from "@s7l/format";
import { beforeEach, describe, expect, test } from "vitest";
import { sealTiny } from "../test/seal-tiny.ts";
import { sealWide } from "../test/seal-wide.ts";
import { isVerifiedArtifact, VerifiedArtifact } from "./artifact.ts";
import { memoryCache } from "./cache/memory-cache.ts";
import { openVerified } from "./verify.ts";

let bytes: Uint8Array;
let artifact: VerifiedArtifact;

beforeEach(async () => {
  bytes = (await sealTiny("dense")).slice();
  artifact = await openVerified(memorySource(bytes));
});

describe("VerifiedArtifact", () => {
  test("cannot be made by anyone else", () => {
    const Forged = VerifiedArtifact as unknown as new (...values: readonly unknown[]) => object;
    expect(() => new Forged(Symbol("verified"), {})).toThrow("only verify makes a VerifiedArtifact");
    expect(() => new Forged()).toThrow("only verify makes a VerifiedArtifact");
    expect(() => Reflect.construct(VerifiedArtifact, [], class extends Forged {})).toThrow("only verify");
  });

  test.each([
    ["a copy", () => ({ ...artifact })],
    ["an object with its prototype", () => Object.create(VerifiedArtifact.prototype)],
    ["an object that inherits from it", () => Object.create(artifact)],
    ["a proxy of it", () => new Proxy(artifact, {})],
    ["a structured clone", () => structuredClone({ fold: artifact.fold })],
    ["nothing", () => null],
    ["its root", () => artifact.root],
  ])("is told from %s", (_, forge) => {
    expect(isVerifiedArtifact(forge())).toBe(false);
    expect(isVerifiedArtifact(artifact)).toBe(true);
  });

  test("cannot be changed by whoever holds it", () => {
    expect(() => Object.assign(artifact, { size: 1 })).toThrow(TypeError);
    expect(() => Object.assign(artifact.constructor, { is: () => true })).toThrow(TypeError);
    expect(() => Object.assign(artifact.fold, { vocab: 1 })).toThrow(TypeError);
    expect(() => Object.assign(artifact.policy, { maxContext: 1e6 })).toThrow(TypeError);
    artifact.root.fill(0);
    expect(artifact.root.some((byte) => byte !== 0)).toBe(true);
    artifact.vocabulary.vocab?.fill(0);
    expect(artifact.vocabulary.vocab?.[0]).toBe("{".charCodeAt(0));
    artifact.golden[0]?.digest.fill(0);
    expect(artifact.golden[0]?.digest.some((byte) => byte !== 0)).toBe(true);
  });

  test("gives copies, and what is plain data frozen to the bottom", async () => {
    const name = artifact.plan[0]?.name ?? "";
    const takes: readonly (() => object)[] = [
      () => artifact.header,
      () => artifact.vocabulary,
      () => artifact.golden,
      () => artifact.gate,
      () => artifact.components,
      () => artifact.record(name),
      () => artifact.provenance(name),
    ];
    for (const take of takes) {
      expect(take()).toEqual(take());
      expect(take()).not.toBe(take());
    }
    artifact.header.dataRoot.fill(0);
    artifact.gate.abiHash.fill(0);
    for (const copy of [artifact.components[0]?.root, artifact.record(name).root, artifact.provenance(name).sha256])
      copy?.fill(0);
    const again = await openVerified(memorySource(bytes));
    expect(artifact.header).toEqual(again.header);
    expect(artifact.gate).toEqual(again.gate);
    expect(artifact.components).toEqual(again.components);
    expect(artifact.record(name)).toEqual(again.record(name));
    expect(artifact.provenance(name)).toEqual(again.provenance(name));

    const routed = await openVerified(memorySource(await sealTiny("routed")));
    const { fold, lexical, meta, policy, abi, plan } = routed;
    const deep = (value: unknown): boolean =>
      typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(deep));
    for (const data of [fold, lexical, meta, policy, abi, plan]) expect(deep(data)).toBe(true);
    expect(lexical).toBeDefined();
    expect(Object.isFrozen(Object.getPrototypeOf(routed))).toBe(true);
  });

  test("counts every chunk of every tensor once, in whatever order they are read", async () => {
    const wide = await openVerified(memorySource(await sealWide()));
    const chunksOf = (name: string): number => Math.ceil(wide.record(name).length / 65_536);
    const names = wide.plan.map(({ name }) => name).toReversed();
    let chunks = 0;
    for (const [i, name] of names.entries()) {
      chunks += chunksOf(name);
      for (let times = 0; times < 2; times++) {
        if (i % 2 === times) await wide.read(name);
        else await wide.verifyTensor(name);
        expect(wide.coverage().chunks).toBe(chunks);
      }
    }
    expect(wide.coverage()).toEqual({ chunks, total: chunks });
    expect(chunks).toBeGreaterThan(16);
  });

  test("stops reading when it is told to", async () => {
    const name = artifact.plan[0]?.name ?? "";
    const signal = AbortSignal.abort();
    const target = new Uint8Array(artifact.record(name).length).fill(7);
    for (const read of [
      () => artifact.read(name, { signal }),
      () => artifact.readInto(name, target, { signal }),
      () => artifact.verifyTensor(name, { signal }),
    ])
      await expect(read()).rejects.toMatchObject({ name: "AbortError" });
    expect(target.every((byte) => byte === 0)).toBe(true);
    expect(artifact.coverage().chunks).toBe(0);
  });

  test("reads each tensor as it was sealed", async () => {
    for (const tensor of artifact.plan) expect(await artifact.read(tensor.name)).toEqual(randomSpan(tensor, 7));
    expect(artifact.coverage()).toEqual({ chunks: artifact.plan.length, total: artifact.plan.length });
  });

  test.each(["dense", "routed"] as const)("gives the digest of the file that it is, %s", async (kind) => {
    const file = await sealTiny(kind);
    const opened = await openVerified(memorySource(file));
    expect(await opened.digest()).toEqual(sha256(file));
    const wide = await sealWide();
    expect(await (await openVerified(memorySource(wide))).digest()).toEqual(sha256(wide));
  });

  test("gives no digest of a file that any byte of is another's", async () => {
    for (let at = 0; at < bytes.length; at += at < 1024 ? 1 : 97) {
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      await expect(artifact.digest(), `byte ${at}`).rejects.toMatchObject({ name: "VerifyError" });
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    }
    expect(await artifact.digest()).toEqual(sha256(bytes));
  });

  test("gives no digest of bytes that a source takes back once they are hashed", async () => {
    const speck = await sealTiny("speck");
    const memory = memorySource(speck);
    let lie: { readonly at: number; readonly ticks: number } | undefined;
    let reads = 0;
    /** Gives another last byte at one of its reads, and some microtasks later the sealed one in its place. */
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const sealed = await memory.read(offset, length);
      if (reads++ !== lie?.at) return sealed;
      const bytes = sealed.map((byte, i) => (i === length - 1 ? byte ^ 1 : byte));
      void putBack(bytes, sealed, lie.ticks);
      return bytes;
    };
    const putBack = async (bytes: Uint8Array, sealed: Uint8Array, ticks: number): Promise<void> => {
      for (let tick = 0; tick < ticks; tick++) await undefined;
      bytes.set(sealed);
    };
    const opened = await openVerified({ size: memory.size, read });
    const digest = (): Promise<Uint8Array | undefined> => {
      reads = 0;
      return opened.digest().catch(() => undefined);
    };
    expect(await digest()).toEqual(sha256(speck));
    const all = reads;
    for (let at = 0; at < all; at++)
      for (let ticks = 0; ticks < 10; ticks++) {
        lie = { at, ticks };
        expect([undefined, sha256(speck)], `read ${at}, ${ticks} ticks`).toContainEqual(await digest());
      }
  });

  test("stops making a digest when it is told to", async () => {
    const stop = new AbortController();
    const memory = memorySource(bytes);
    let left = Number.POSITIVE_INFINITY;
    const read = (offset: number, length: number): Promise<Uint8Array> => {
      if (left-- === 0) stop.abort();
      return memory.read(offset, length);
    };
    const opened = await openVerified({ ...memory, read });
    for (const reads of [0, 3, 40]) {
      left = reads;
      await expect(opened.digest({ signal: stop.signal })).rejects.toMatchObject({ name: "AbortError" });
    }
  });

  test("counts a chunk once however often it is read", async () => {
    const [first] = artifact.plan;
    for (let i = 0; i < 3; i++) await artifact.read(first?.name ?? "");
    expect(artifact.coverage().chunks).toBe(1);
  });

  test("refuses a tensor that changed after it was opened, and leaves no unverified byte behind", async () => {
    const [tensor] = artifact.plan;
    if (!tensor) throw new Error("no tensor");
    const { offset, length } = artifact.record(tensor.name);
    const dataOffset = bytes.length - artifact.plan.reduce((sum, t) => sum + spanLayout(t).size, 0);
    bytes[dataOffset + offset] = (bytes[dataOffset + offset] ?? 0) ^ 1;
    const target = new Uint8Array(length).fill(9);
    await expect(artifact.readInto(tensor.name, target)).rejects.toMatchObject({
      rule: "V3",
      code: "chunk",
      at: `${tensor.name}#0`,
    });
    expect(target.every((byte) => byte === 0)).toBe(true);
  });

  test("refuses a tree that changed after it was opened", async () => {
    const [tensor] = artifact.plan;
    const spans = artifact.plan.reduce((sum, t) => sum + spanLayout(t).size, 0);
    const tree = bytes.length - spans - Math.ceil(artifact.plan.length) * 32;
    bytes[tree] = (bytes[tree] ?? 0) ^ 1;
    await expect(artifact.read(tensor?.name ?? "")).rejects.toMatchObject({ rule: "V3", code: "tensor-root" });
  });

  test("reads any part of a tensor, whatever chunks it lies in", async () => {
    const file = await sealWide();
    const memory = memorySource(file);
    const direct: ByteSource = {
      ...memory,
      readInto: async (offset, target) => target.set(await memory.read(offset, target.length)),
    };
    const chunk = 65_536;
    for (const source of [memory, direct]) {
      const wide = await openVerified(source);
      const largest = wide.plan.toSorted((a, b) => spanLayout(b).size - spanLayout(a).size)[0]?.name ?? "";
      const span = await wide.read(largest);
      expect(span.length).toBeGreaterThan(chunk + 2);
      for (const from of [0, 1, chunk - 1, chunk, chunk + 1])
        for (const to of [from, from + 1, chunk, chunk + 1, span.length]) {
          const target = new Uint8Array(Math.max(0, to - from)).fill(9);
          await wide.readRange(largest, from, target);
          // As bytes: a matcher takes seconds for arrays of this size.
          expect(Buffer.compare(target, span.subarray(from, from + target.length))).toBe(0);
        }
      for (const [from, length] of [
        [span.length, 1],
        [-1, 1],
        [0.5, 1],
        [0, span.length + 1],
        [Number.NaN, 1],
      ] as const)
        await expect(wide.readRange(largest, from, new Uint8Array(length))).rejects.toMatchObject({ code: "range" });
    }
  });

  test("verifies the whole of a tensor before it gives a part, and each part again", async () => {
    const file = (await sealWide()).slice();
    const wide = await openVerified(memorySource(file));
    const name = wide.plan.toSorted((a, b) => spanLayout(b).size - spanLayout(a).size)[0]?.name ?? "";
    const span = await (await openVerified(memorySource(await sealWide()))).read(name);
    const at = Buffer.from(file).indexOf(span.subarray(0, 64));
    const flip = (offset: number): void => {
      file[at + offset] = (file[at + offset] ?? 0) ^ 1;
    };
    // The last chunk is another's, and the first is asked for.
    flip(span.length - 1);
    const target = new Uint8Array(100).fill(9);
    await expect(wide.readRange(name, 0, target)).rejects.toMatchObject({ rule: "V3", code: "chunk" });
    flip(span.length - 1);
    await wide.readRange(name, 0, target);
    expect(target).toEqual(span.subarray(0, 100));
    flip(70_000);
    await expect(wide.readRange(name, 65_500, target)).rejects.toMatchObject({ code: "chunk", at: `${name}#1` });
    expect(target.every((byte) => byte === 0)).toBe(true);
    await expect(wide.readRange(name, 0, target, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: "AbortError",
    });
  });

  test("takes the parts of a tensor from a cache that has its chunks, hashed again", async () => {
    const memory = memorySource(await sealWide());
    let reads = 0;
    const read = (offset: number, length: number): Promise<Uint8Array> => {
      reads++;
      return memory.read(offset, length);
    };
    const cache = memoryCache(1 << 20);
    const wide = await openVerified({ size: memory.size, read }, { cache });
    const name = wide.plan.toSorted((a, b) => spanLayout(b).size - spanLayout(a).size)[0]?.name ?? "";
    const span = await wide.read(name);
    const part = async (): Promise<Uint8Array> => {
      const target = new Uint8Array(100);
      await wide.readRange(name, 65_500, target);
      return target;
    };
    reads = 0;
    expect(await part()).toEqual(span.subarray(65_500, 65_600));
    // The leaves alone.
    expect(reads).toBe(1);
    const [leaf = new Uint8Array()] = await wide.leaves(name);
    await cache.put(toHex(leaf), new Uint8Array(65_536));
    reads = 0;
    expect(await part()).toEqual(span.subarray(65_500, 65_600));
    expect(reads).toBe(2);
    expect((await cache.get(toHex(leaf)))?.some((byte) => byte !== 0)).toBe(true);
  });

  test("refuses unknown names and memory of the wrong size", async () => {
    await expect(artifact.read("nowhere")).rejects.toMatchObject({ name: "FormatError", code: "range" });
    await expect(artifact.readInto(artifact.plan[0]?.name ?? "", new Uint8Array(1))).rejects.toMatchObject({
      code: "range",
    });
  });

  test("reads into memory of the caller through a source that can", async () => {
    const memory = memorySource(bytes);
    let direct = 0;
    const source: ByteSource = {
      ...memory,
      readInto: async (offset, target) => {
        direct++;
        target.set(await memory.read(offset, target.length));
      },
    };
    const opened = await openVerified(source);
    const [tensor] = opened.plan;
    if (!tensor) throw new Error("no tensor");
    const arena = new Uint8Array(spanLayout(tensor).size + 64).fill(5);
    await opened.readInto(tensor.name, arena.subarray(32, arena.length - 32));
    expect(direct).toBe(1);
    expect(arena.subarray(32, arena.length - 32)).toEqual(randomSpan(tensor, 7));
    expect(arena.subarray(0, 32).every((byte) => byte === 5)).toBe(true);
  });
});
