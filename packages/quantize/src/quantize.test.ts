import { createHash } from "node:crypto";
import { provenanceSchema, scanContent, tensorPlan } from "@s7l/format";
import { expect, test } from "vitest";
import { CONFIGS, FAMILY_NAMES } from "../test/configs.ts";
import { dequantized } from "../test/float-tensors.ts";
import { memoryCheckpoint, randomTensors } from "../test/memory-checkpoint.ts";
import { spansOf } from "../test/spans.ts";
import { quantize } from "./quantize.ts";

const { llama } = CONFIGS;
const open = () => memoryCheckpoint(llama, randomTensors(llama));
const planned = (name: string) => {
  const found = (weights: ReturnType<typeof quantize>) =>
    tensorPlan(weights.fold).find((tensor) => tensor.name === name);
  return (weights: ReturnType<typeof quantize>) => found(weights) ?? expect.unreachable(name);
};

test.each(FAMILY_NAMES)("%s: every span keeps the format's rules, and its provenance the schema's", async (name) => {
  const weights = quantize(await memoryCheckpoint(CONFIGS[name], randomTensors(CONFIGS[name])));
  const spans = await spansOf(weights);
  for (const tensor of tensorPlan(weights.fold)) {
    const scan = scanContent(tensor);
    scan.update(spans.get(tensor.name) ?? new Uint8Array());
    scan.finish();
    provenanceSchema.parse({ ...weights.origin(tensor), sha256: weights.sourceDigest(tensor) }, tensor.name);
  }
});

test("spans can be read again, and several at once, to the same bytes", async () => {
  const weights = quantize(await open());
  const plan = tensorPlan(weights.fold);
  const once = await spansOf(weights);
  const streams = plan.map((tensor) => ({
    name: tensor.name,
    stream: weights.span(tensor)[Symbol.asyncIterator](),
    pieces: [] as number[],
  }));
  for (let open = streams.length; open > 0; ) {
    open = 0;
    for (const { stream, pieces } of streams) {
      const { done, value } = await stream.next();
      if (done) continue;
      pieces.push(...value);
      open++;
    }
  }
  for (const { name, pieces } of streams) expect([name, Uint8Array.from(pieces)]).toEqual([name, once.get(name)]);
});

test("the source digest of a matrix that is stored as sealed is the SHA-256 of its bytes in the file", async () => {
  const weights = quantize(await open());
  const name = "model.layers.1.mlp.down_proj.weight";
  const tensor = planned(name)(weights);
  for await (const _ of weights.span(tensor));
  const values = randomTensors(llama)[name]?.values ?? new Uint8Array();
  expect(Buffer.from(weights.sourceDigest(tensor)).toString("hex")).toBe(
    createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex"),
  );
  expect(weights.origin(tensor)).toEqual({ method: "per_row_int8", sources: [name] });
});

test("a digest is not known before its span was read to the end", async () => {
  const weights = quantize(await open());
  const tensor = planned("lm_head.weight")(weights);
  expect(() => weights.sourceDigest(tensor)).toThrow(/known once its span was read/);
  await weights.span(tensor)[Symbol.asyncIterator]().next();
  expect(() => weights.sourceDigest(tensor)).toThrow(/known once its span was read/);
});

test("constants name the config values they follow from", async () => {
  const weights = quantize(await open());
  expect(weights.origin(planned("rope.frequencies")(weights))).toEqual({
    method: "derive",
    sources: ["rope_theta=10000", "rotary_dims=4"],
  });
});

test("routers get a second plane: their sealed values are within a 254th of half a step", async () => {
  const config = CONFIGS.mixtral;
  const name = "model.layers.0.block_sparse_moe.gate.weight";
  const tensors = randomTensors(config);
  const weights = quantize(await memoryCheckpoint(config, tensors));
  const sealed = (await dequantized(weights))(name);
  const values = tensors[name]?.values ?? new Float32Array();
  const errors = sealed.map((value, i) => Math.abs(value - (values[i] ?? Number.NaN)));
  expect(Math.max(...errors)).toBeLessThan(1 / 127 / 500);
  expect(weights.origin(planned(name)(weights)).method).toBe("two_plane_int8");
});

test("the report has a line for each tensor that was read, with its errors", async () => {
  const weights = quantize(await open());
  expect(weights.report()).toEqual({ family: "llama", tensors: [] });
  await spansOf(weights);
  const { tensors } = weights.report();
  expect(tensors.map(({ name }) => name)).toEqual(tensorPlan(weights.fold).map(({ name }) => name));
  const embedding = tensors.find(({ name }) => name === "model.embed_tokens.weight");
  expect(embedding).toMatchObject({ dtype: "i8", rows: 24, shape: [24, 16], outlierRows: 0 });
  expect(embedding?.maxError).toBeGreaterThan(0);
  expect(embedding?.rmsError).toBeLessThan(embedding?.maxError ?? 0);
});

test("a stored head of a config that ties it is left out where it is the embedding, and refused where it is not", async () => {
  const tied = { ...llama, tie_word_embeddings: true };
  const { "lm_head.weight": other, ...tensors } = randomTensors(llama);
  const { "model.embed_tokens.weight": embedding } = tensors;
  if (!other || !embedding) throw new Error("a Llama has an embedding and a head");
  const seal = async (head?: typeof other) =>
    spansOf(quantize(await memoryCheckpoint(tied, head ? { ...tensors, "lm_head.weight": head } : tensors)));
  expect(await seal(embedding)).toEqual(await seal());
  await expect(seal(other)).rejects.toMatchObject({
    code: "tensor",
    at: "lm_head.weight",
    message: expect.stringMatching(/is not model\.embed_tokens\.weight.*tie_word_embeddings/),
  });
});

test.each([
  ["a matrix", "model.layers.0.mlp.up_proj.weight", 35, "model.layers.0.mlp.up_proj.weight [2, 3]"],
  ["a vector", "model.norm.weight", 3, "model.norm.weight [3]"],
])("a NaN in %s is refused with the tensor and index", async (_, name, index, at) => {
  const tensors = randomTensors(llama);
  const bad = tensors[name];
  if (bad?.values instanceof Float32Array) bad.values[index] = Number.NaN;
  await expect(spansOf(quantize(await memoryCheckpoint(llama, tensors)))).rejects.toMatchObject({
    name: "QuantizeError",
    code: "value",
    at,
  });
});

test("a tensor of another fold is refused", async () => {
  const weights = quantize(await open());
  const stranger = { name: "stranger", dtype: "i8", shape: [1, 1], component: "trunk" } as const;
  await expect(weights.span(stranger)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: "tensor",
    at: "stranger",
  });
});

test("the name is the caller's, else the architecture's, and never the folder's or the clock's", async () => {
  expect(quantize(await open()).meta).toEqual({ name: "LlamaForCausalLM", createdFrom: "llama" });
  expect(quantize(await open(), { name: "mine", creator: "me", created: "today" }).meta).toEqual({
    name: "mine",
    creator: "me",
    createdFrom: "llama",
    created: "today",
  });
  const { architectures: _, ...rest } = llama;
  expect(quantize(await memoryCheckpoint(rest, randomTensors(rest))).meta.name).toBe("llama");
});

test("a file that changes while it is read is refused", async () => {
  const checkpoint = await open();
  const changed = new Map(
    [...checkpoint.tensors].map(([name, tensor]) => [
      name,
      { ...tensor, source: { ...tensor.source, assertUnchanged: () => Promise.reject(new Error("changed")) } },
    ]),
  );
  await expect(spansOf(quantize({ ...checkpoint, tensors: changed }))).rejects.toThrow("changed");
});
