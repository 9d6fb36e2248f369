import { randomWeights, TINY_KINDS, tinyFold, tinyWeights } from "@s7l/fixtures";
import { sha256 } from "@s7l/format";
import type { VerifiedArtifact } from "@s7l/verify";
import { beforeAll, describe, expect, test } from "vitest";
import { hasExactDot } from "../../test/relaxed-dot.ts";
import { sealArtifact } from "../../test/sealed.ts";
import { type LoadOptions, loadModel, type Model } from "../model.ts";
import { STX } from "./gate.ts";
import { openSession, type SessionBody } from "./session.ts";

const HOSTS: readonly LoadOptions[] = [
  { engine: "interpreter" },
  { engine: "simd", threads: 1 },
  { engine: "simd", threads: 3 },
  ...(hasExactDot ? [{ engine: "relaxed", threads: 2 } as const] : []),
];
/** For titles: what a run has compared. */
const HOST_NAMES = HOSTS.map(({ engine }) => engine).join(", ");

const open = (model: Model): SessionBody => openSession(model).begin(STX);
const refused = (code: string) => expect.objectContaining({ name: "SessionStateError", code });
const onEveryHost = (artifact: VerifiedArtifact): Promise<Model[]> =>
  Promise.all(HOSTS.map((options) => loadModel(artifact, options)));

/** Ids of a sequence as long as asked, or as the context holds. */
const idsOf = ({ vocab, context }: Model, length: number): number[] =>
  Array.from({ length: Math.min(length, context) }, (_, i) => (i * 7 + 5) % vocab);

/** The bytes with a digest that fits them again: what a forger would write. */
function resealed(state: Uint8Array): Uint8Array {
  state.set(sha256(state.subarray(0, -32)), state.length - 32);
  return state;
}

describe.each(TINY_KINDS)(`the state of a %s model, on ${HOST_NAMES},`, (kind) => {
  let models: Model[];
  beforeAll(async () => {
    models = await onEveryHost(await sealArtifact(tinyWeights(kind)));
  });

  test("is the same bytes on every engine, however the ids came", async () => {
    const [first, ...others] = models;
    const ids = idsOf(first as Model, 32);
    const plain = open(first as Model);
    await plain.forward(ids);
    const expected = await plain.save();
    for (const model of others) {
      const body = open(model);
      for (const id of ids) await body.forward([id]);
      expect(await body.save()).toEqual(expected);
    }
  });

  test("saved at any position goes on in any engine as if nothing had been", async () => {
    for (const [i, model] of models.entries()) {
      const next = models[(i + 1) % models.length] as Model;
      const ids = idsOf(model, 8);
      const whole = await open(model).forward(ids, "all");
      for (let cut = 0; cut < ids.length; cut++) {
        const body = open(model);
        if (cut > 0) await body.forward(ids.slice(0, cut));
        const state = await body.save();
        const restored = open(next);
        await restored.restore(state);
        expect(restored.ids).toEqual(ids.slice(0, cut));
        expect(restored.routes).toEqual(body.routes);
        expect(await restored.save()).toEqual(state);
        const rest = await restored.forward(ids.slice(cut), "all");
        expect(rest.mantissas).toEqual(whole.mantissas.slice(cut * model.vocab));
        expect(rest.exponents).toEqual(whole.exponents.slice(cut));
      }
    }
  });
});

describe("the state of a long session", () => {
  test("covers several pages of cache, also into pages that another session gave back", async () => {
    const artifact = await sealArtifact(randomWeights({ ...tinyFold("dense"), context: 300 }, 7));
    const [interpreter, simd, threads] = (await onEveryHost(artifact)) as [Model, Model, Model];
    const ids = idsOf(interpreter, 300);
    const body = open(simd);
    await body.forward(ids.slice(0, 200));
    const state = await body.save();
    const expected = await body.forward(ids.slice(200), "all");
    const used = open(threads);
    await used.forward(ids);
    used.end();
    for (const model of [threads, interpreter]) {
      const restored = open(model);
      await restored.restore(state);
      expect(await restored.save()).toEqual(state);
      expect(await restored.forward(ids.slice(200), "all")).toEqual(expected);
    }
  });
});

describe("a session state", () => {
  let model: Model;
  let state: Uint8Array;
  beforeAll(async () => {
    model = await loadModel(await sealArtifact(tinyWeights("routed")), { engine: "simd", threads: 1 });
    const body = open(model);
    await body.forward(idsOf(model, 3));
    state = await body.save();
  });

  const restore = (bytes: Uint8Array): Promise<void> => open(model).restore(bytes);

  test("is refused with any bit flipped", async () => {
    const codes = new Set<string>();
    for (let i = 0; i < state.length; i++) {
      const flipped = state.slice();
      flipped[i] = (flipped[i] ?? 0) ^ (1 << (i % 8));
      const error: unknown = await restore(flipped).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error, `byte ${i}`).toMatchObject({ name: "SessionStateError" });
      codes.add((error as { code: string }).code);
    }
    expect(codes).toEqual(new Set(["state-form", "state-digest"]));
  });

  test("is refused at any length but its own", async () => {
    for (let length = 0; length < state.length; length++)
      await expect(restore(state.slice(0, length))).rejects.toThrow(
        expect.objectContaining({ name: "SessionStateError" }),
      );
    await expect(restore(Uint8Array.of(...state, 0))).rejects.toThrow(refused("state-digest"));
  });

  test("of another artifact is refused", async () => {
    const other = await loadModel(await sealArtifact(tinyWeights("dense")), { engine: "simd" });
    await expect(open(other).restore(state)).rejects.toThrow(refused("state-root"));
  });

  const at = { version: 8, positions: 12, abi: 16, root: 48, ids: 80 };
  test.each([
    { what: "another version", edit: (s: DataView) => s.setUint32(at.version, 2, true), code: "state-form" },
    { what: "other numerics", edit: (s: DataView) => s.setUint8(at.abi, s.getUint8(at.abi) ^ 1), code: "state-abi" },
    { what: "another root", edit: (s: DataView) => s.setUint8(at.root, s.getUint8(at.root) ^ 1), code: "state-root" },
    {
      what: "2^32 - 1 positions",
      edit: (s: DataView) => s.setUint32(at.positions, 0xffff_ffff, true),
      code: "state-content",
    },
    { what: "a position more", edit: (s: DataView) => s.setUint32(at.positions, 4, true), code: "state-content" },
    { what: "a position less", edit: (s: DataView) => s.setUint32(at.positions, 2, true), code: "state-content" },
    {
      what: "an id that is none",
      edit: (s: DataView) => s.setUint32(at.ids, 0xffff_fff0, true),
      code: "state-content",
    },
    { what: "a key of 15 bits", edit: (s: DataView) => s.setInt16(at.ids + 12, 0x7fff, true), code: "state-content" },
  ])("that was forged to have $what is refused", async ({ edit, code }) => {
    const forged = state.slice();
    edit(new DataView(forged.buffer));
    await expect(restore(resealed(forged))).rejects.toThrow(refused(code));
  });

  test("whose numbers no engine makes is refused wherever they stand", async () => {
    // Every word after the ids set to its extremes: what is taken must be in range, and then it runs.
    let taken = 0;
    for (let i = at.ids + 12; i < state.length - 32; i += 4) {
      const forged = state.slice();
      new DataView(forged.buffer).setInt32(i, -0x8000_0000, true);
      const body = open(model);
      const fate = await body.restore(resealed(forged)).then(
        () => "taken",
        (error: { readonly code: string }) => error.code,
      );
      expect(["taken", "state-content"]).toContain(fate);
      if (fate === "taken") taken++;
      expect(body.length).toBe(fate === "taken" ? 3 : 0);
    }
    expect(taken).toBe(0);
  });

  test("may lie in shared memory, and what is no bytes at all is refused", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(state.length));
    shared.set(state);
    await restore(shared);
    for (const nothing of [undefined, null, "s7lstate", [1, 2], {}])
      await expect(restore(nothing as unknown as Uint8Array)).rejects.toThrow(refused("state-form"));
  });

  test("goes into a fresh body alone, and a refusal leaves the body fresh", async () => {
    const body = open(model);
    await expect(body.restore(state.slice(1))).rejects.toThrow(refused("state-form"));
    await body.restore(state);
    await expect(body.restore(state)).rejects.toThrow(refused("state-late"));
    body.end();
    await expect(body.restore(state)).rejects.toThrow(expect.objectContaining({ name: "GateError", code: "phase" }));
    await expect(body.save()).rejects.toThrow(expect.objectContaining({ name: "GateError", code: "phase" }));
  });

  test("is saved after the calls that were not awaited", async () => {
    const body = open(model);
    void body.forward(idsOf(model, 3));
    const saving = body.save();
    void body.forward([1]);
    expect(await saving).toEqual(state);
  });
});
