import { createHash } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeGoldens, randomSpan, randomWeights, tinyFold } from "@s7l/fixtures";
import { memorySource, spanLayout, type WeightSource } from "@s7l/format";
import { openFileSource } from "@s7l/format/file";
import { sealFile } from "@s7l/pack/file";
import { afterAll, bench, describe } from "vitest";
import { openVerified, verify } from "../src/index.ts";

// About 64 MB: an embedding and a head of 8000 rows, 4096 wide. Compare each line with the first: the share of the hash's own
// speed is what verification costs.
const fold = { ...tinyFold("dense"), vocab: 8000, width: 4096 };
const base = randomWeights(fold, 1);
const spans = new Map<string, Uint8Array>();
const weights: WeightSource = {
  ...base,
  span: async function* (tensor) {
    const span = spans.get(tensor.name) ?? randomSpan(tensor, 1);
    spans.set(tensor.name, span);
    for (let at = 0; at < span.length; at += 1 << 20) yield span.subarray(at, at + (1 << 20));
  },
};

const folder = mkdtempSync(join(tmpdir(), "s7l-bench-"));
const path = join(folder, "model.s7l");
await sealFile(weights, path, fakeGoldens(weights));
const source = await openFileSource(path);
const bytes = await source.read(0, source.size);
const { plan } = await openVerified(source);
const memory = new Uint8Array(Math.max(...plan.map((tensor) => spanLayout(tensor).size)));

afterAll(async () => {
  await source.close();
  await rm(folder, { recursive: true });
});

describe(`${(source.size / 1e6).toFixed(0)} MB`, () => {
  bench("node:crypto's SHA-256 of the same bytes", () => {
    createHash("sha256").update(bytes).digest();
  });

  bench("verify from memory", async () => {
    await verify(memorySource(bytes));
  });

  bench("verify from a file", async () => {
    await verify(source);
  });

  bench("open, and read every tensor into memory of the caller", async () => {
    const artifact = await openVerified(source);
    for (const tensor of artifact.plan)
      await artifact.readInto(tensor.name, memory.subarray(0, spanLayout(tensor).size));
  });

  bench("open alone", async () => {
    await openVerified(source);
  });

  bench("seal to a file", async () => {
    await sealFile(weights, path, fakeGoldens(weights));
  });
});
