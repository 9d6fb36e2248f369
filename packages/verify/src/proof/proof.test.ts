import {
  componentLeaf,
  decodeCanonical,
  encodeCanonical,
  encodeHeader,
  memorySource,
  sha256,
  tensorLeaf,
  toHex,
  type Value,
  writeHeader,
} from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { sealTiny } from "../../test/seal-tiny.ts";
import { sealWide } from "../../test/seal-wide.ts";
import type { VerifiedArtifact } from "../artifact.ts";
import { openVerified } from "../verify.ts";
import { checkProof } from "./check-proof.ts";
import { MAX_PROOF, proofSchema } from "./proof.ts";
import { prove } from "./prove.ts";

const NAME = "expert2.layer0.ffn.fc1.weight";
const OTHER = "expert2.layer0.ffn.fc2.weight";
let artifact: VerifiedArtifact;
let span: Uint8Array;
let chunkProof: Uint8Array;
let tensorProof: Uint8Array;

beforeAll(async () => {
  artifact = await openVerified(memorySource(await sealWide()));
  span = await artifact.read(NAME);
  chunkProof = await prove(artifact, { tensor: NAME, chunk: 1 });
  tensorProof = await prove(artifact, { tensor: NAME });
});

/** A proof with some of its fields changed, encoded as it should be. */
function forged(proof: Uint8Array, change: (fields: Record<string, Value>) => void): Uint8Array {
  const fields = { ...(decodeCanonical(proof, "proof") as Record<string, Value>) };
  change(fields);
  return encodeCanonical(fields);
}

describe("a proof", () => {
  test("holds for every chunk of every tensor, and is short", async () => {
    for (const { name, component } of artifact.plan) {
      const bytes = await artifact.read(name);
      for (let chunk = 0; chunk * 65_536 < bytes.length; chunk++) {
        const proof = await prove(artifact, { tensor: name, chunk });
        const content = bytes.subarray(chunk * 65_536, (chunk + 1) * 65_536);
        const proven = checkProof(artifact.root, proof, content);
        expect(proven).toMatchObject({ offset: chunk * 65_536, length: content.length, chunk: { index: chunk } });
        expect(proven.tensor).toEqual(artifact.record(name));
        expect(proven.component.name).toBe(component);
        expect(proof.length).toBeLessThan(1600);
      }
      const whole = await prove(artifact, { tensor: name });
      expect(checkProof(toHex(artifact.root), whole, bytes)).toMatchObject({ offset: 0, length: bytes.length });
    }
  });

  test("has room for the deepest trees there can be", () => {
    const record = artifact.record(NAME);
    const proof = encodeCanonical(
      proofSchema.parse(
        {
          proof: "s7l-proof-1",
          header: encodeHeader(artifact.header).slice(0, 224),
          component: { name: "x".repeat(64), tensors: 2 ** 20, size: 2 ** 53 - 1, root: new Uint8Array(32) },
          componentPath: new Uint8Array(16 * 32),
          tensor: { ...record, name: "x".repeat(512), shape: Array(8).fill(2 ** 53 - 1), length: 2 ** 53 - 1 },
          tensorIndex: 2 ** 20 - 1,
          tensorPath: new Uint8Array(20 * 32),
          chunk: { index: 2 ** 37 - 1, leaf: new Uint8Array(32), path: new Uint8Array(37 * 32) },
        },
        "proof",
      ),
    );
    expect(proof.length).toBeLessThan(MAX_PROOF);
  });

  test("is one for one claim: the same bytes each time", async () => {
    expect(await prove(artifact, { tensor: NAME, chunk: 1 })).toEqual(chunkProof);
  });

  test("can be made while the tensor's data is out of reach", async () => {
    expect(artifact.coverage().chunks).toBeGreaterThan(0);
    const bytes = await sealTiny("routed");
    const opened = await openVerified(memorySource(bytes));
    const [first] = opened.plan;
    if (!first) throw new Error("no tensor");
    checkProof(opened.root, await prove(opened, { tensor: first.name, chunk: 0 }));
    expect(opened.coverage().chunks).toBe(0);
  });

  test("of what the artifact does not have cannot be made", async () => {
    await expect(prove(artifact, { tensor: "nowhere" })).rejects.toMatchObject({ code: "range" });
    for (const chunk of [-1, 3, 0.5, Number.NaN, 2 ** 53])
      await expect(prove(artifact, { tensor: NAME, chunk })).rejects.toMatchObject({
        name: "ProofError",
        code: "chunk",
      });
  });
});

describe("a proof that was tampered with", () => {
  test("is refused whichever bit of it is flipped", () => {
    let refused = 0;
    for (const proof of [chunkProof, tensorProof])
      for (let bit = 0; bit < 8 * proof.length; bit++) {
        const flipped = proof.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(() => checkProof(artifact.root, flipped), `bit ${bit}`).toThrow(
          expect.objectContaining({ name: "ProofError" }),
        );
        refused++;
      }
    expect(refused).toBe(8 * (chunkProof.length + tensorProof.length));
  });

  test("is refused wherever it is cut off, and with anything after it", () => {
    for (let length = 0; length < chunkProof.length; length++)
      expect(() => checkProof(artifact.root, chunkProof.subarray(0, length))).toThrow(
        expect.objectContaining({ name: "ProofError", code: "proof" }),
      );
    for (const more of [1, 5000])
      expect(() => checkProof(artifact.root, new Uint8Array([...chunkProof, ...new Uint8Array(more)]))).toThrow(
        expect.objectContaining({ code: "proof" }),
      );
  });

  test.each<[string, string, (fields: Record<string, Value>) => void]>([
    ["another tensor's record", "tensor", (f) => Object.assign(f, { tensor: artifact.record(OTHER) })],
    ["a stranger's record", "component", (f) => Object.assign(f, { tensor: artifact.record("trunk.proj.weight") })],
    ["another component's record", "component", (f) => Object.assign(f, { component: artifact.components[0] })],
    ["a renamed tensor", "tensor", (f) => Object.assign(f, { tensor: { ...artifact.record(NAME), name: "expert3" } })],
    ["a longer tensor path", "tensor", (f) => Object.assign(f, { tensorPath: new Uint8Array(10 * 32) })],
    ["a torn tensor path", "tensor", (f) => Object.assign(f, { tensorPath: new Uint8Array(33) })],
    ["no tensor path", "tensor", (f) => Object.assign(f, { tensorPath: new Uint8Array(0) })],
    ["a tensor index out of range", "tensor", (f) => Object.assign(f, { tensorIndex: 2 ** 53 - 1 })],
    ["no component path", "component", (f) => Object.assign(f, { componentPath: new Uint8Array(0) })],
    ["a chunk index out of range", "chunk", (f) => Object.assign(f, { chunk: { ...(f.chunk as object), index: 3 } })],
    ["another chunk's index", "chunk", (f) => Object.assign(f, { chunk: { ...(f.chunk as object), index: 0 } })],
    [
      "an inner node as a leaf",
      "chunk",
      (f) => Object.assign(f, { chunk: { index: 0, leaf: artifact.record(NAME).root, path: new Uint8Array(0) } }),
    ],
    ["another header", "root", (f) => Object.assign(f, { header: new Uint8Array(224) })],
    ["a short header", "proof", (f) => Object.assign(f, { header: new Uint8Array(223) })],
    ["another kind", "proof", (f) => Object.assign(f, { proof: "s7l-proof-2" })],
    ["one more key", "proof", (f) => Object.assign(f, { more: 1 })],
  ])("is refused with %s, by its %s", (_, code, change) => {
    expect(() => checkProof(artifact.root, forged(chunkProof, change))).toThrow(
      expect.objectContaining({ name: "ProofError", code }),
    );
  });

  test("is refused for bytes that are not its own", () => {
    const chunk = span.subarray(65_536, 131_072);
    checkProof(artifact.root, chunkProof, chunk);
    const other = chunk.slice();
    other[0] = (other[0] ?? 0) ^ 1;
    for (const content of [other, span.subarray(0, 65_536), chunk.subarray(1), span, new Uint8Array(0)])
      expect(() => checkProof(artifact.root, chunkProof, content)).toThrow(expect.objectContaining({ code: "bytes" }));
    checkProof(artifact.root, tensorProof, span);
    for (const content of [chunk, span.subarray(32), new Uint8Array(span.length)])
      expect(() => checkProof(artifact.root, tensorProof, content)).toThrow(expect.objectContaining({ code: "bytes" }));
  });

  test("is refused under any root but its own", async () => {
    for (const root of ["", "00", "zz".repeat(32), "0".repeat(64), new Uint8Array(32), new Uint8Array(0)])
      expect(() => checkProof(root, chunkProof)).toThrow(expect.objectContaining({ name: "ProofError", code: "root" }));
    const other = await openVerified(memorySource(await sealWide(8)));
    expect(() => checkProof(other.root, chunkProof)).toThrow(expect.objectContaining({ code: "root" }));
  });

  test("is refused where the record claims more bytes than its shape takes, however well it is hashed", () => {
    const tensor = { ...artifact.record(NAME), component: 0, length: artifact.record(NAME).length + 32 };
    const component = { name: "expert2", tensors: 1, size: tensor.length, root: tensorLeaf(tensor) };
    const { bytes, root } = writeHeader({ ...artifact.header, componentCount: 1, dataRoot: componentLeaf(component) });
    const empty = new Uint8Array(0);
    const built = forged(tensorProof, (f) =>
      Object.assign(f, {
        header: bytes.slice(0, 224),
        component,
        componentPath: empty,
        tensor,
        tensorIndex: 0,
        tensorPath: empty,
      }),
    );
    expect(() => checkProof(root, built)).toThrow(
      expect.objectContaining({ code: "tensor", message: expect.stringContaining("bytes") }),
    );
  });

  test.each<[string, object, boolean]>([
    ["another magic", { magic: new TextEncoder().encode("GGUF") }, false],
    ["another version", { version: 2 }, false],
    ["another hash", { hash: 2 }, false],
    ["chunks of 32 KiB", { chunkLog2: 15 }, false],
    ["chunks of 64 KiB", { chunkLog2: 16 }, true],
    ["chunks of 16 MiB", { chunkLog2: 24 }, true],
    ["chunks of 32 MiB", { chunkLog2: 25 }, false],
  ])("under a root of %s is judged by it", (_, change, holds) => {
    const header = encodeHeader({ ...artifact.header, ...change }).slice(0, 224);
    const root = sha256(Uint8Array.of(6), new TextEncoder().encode("s7l-v3-root\0"), header);
    const proof = forged(tensorProof, (f) => Object.assign(f, { header }));
    if (holds) expect(checkProof(root, proof)).toMatchObject({ offset: 0 });
    else expect(() => checkProof(root, proof)).toThrow(expect.objectContaining({ name: "ProofError", code: "root" }));
  });

  test("names the tensor where the bytes are not its own, and the reader's reason where it is no proof", () => {
    expect(() => checkProof(artifact.root, chunkProof, new Uint8Array(1))).toThrow(
      expect.objectContaining({ code: "bytes", at: NAME }),
    );
    expect(() => checkProof(artifact.root, tensorProof, new Uint8Array(1))).toThrow(
      expect.objectContaining({ code: "bytes", at: NAME }),
    );
    expect(() => checkProof(artifact.root, chunkProof.subarray(1))).toThrow(
      expect.objectContaining({
        code: "proof",
        at: expect.stringMatching(/^proof/),
        cause: expect.objectContaining({ name: "FormatError" }),
      }),
    );
    const torn = forged(chunkProof, (f) => Object.assign(f, { tensor: { ...artifact.record(NAME), dtype: "i4" } }));
    expect(() => checkProof(artifact.root, torn)).toThrow(
      expect.objectContaining({ code: "proof", at: "proof.tensor.dtype" }),
    );
  });

  test.each([null, undefined, "proof", [1, 2], {}])("is refused where %j stands for it or for the root", (stray) => {
    // From a program without types.
    const check = checkProof as (root: unknown, proof: unknown) => unknown;
    expect(() => check(artifact.root, stray)).toThrow(expect.objectContaining({ name: "ProofError", code: "proof" }));
    expect(() => check(stray, chunkProof)).toThrow(expect.objectContaining({ name: "ProofError", code: "root" }));
  });

  test("is as long as a proof may be, and no longer", () => {
    const padded = new Uint8Array(MAX_PROOF);
    padded.set(chunkProof);
    expect(() => checkProof(artifact.root, padded)).toThrow(/bytes follow the value/);
    expect(() => checkProof(artifact.root, new Uint8Array(MAX_PROOF + 1))).toThrow(/at most 4096 bytes/);
  });

  test("is refused under a root that is not an artifact's", () => {
    const header = new Uint8Array(224);
    const label = new TextEncoder().encode("s7l-v3-root\0");
    const root = sha256(Uint8Array.of(6), label, header);
    expect(() =>
      checkProof(
        root,
        forged(chunkProof, (f) => Object.assign(f, { header })),
      ),
    ).toThrow(expect.objectContaining({ code: "root", message: expect.stringContaining("version 3") }));
  });
});
