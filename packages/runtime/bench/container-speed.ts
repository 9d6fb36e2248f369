/** Speed of the pipeline around the engine, beside a copy and a hash of the same bytes in the same run. */
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeGoldens } from "@s7l/fixtures";
import { tensorPlan, type WeightSource } from "@s7l/format";
import { openFileSource } from "@s7l/format/file";
import { sealFile } from "@s7l/pack/file";
import { freshCheckpoint, openCheckpoint, quantize, writeCheckpoint } from "@s7l/quantize";
import { verify } from "@s7l/verify";
import { best } from "./timing.ts";

/** A Llama of 64M parameters: 128 MB of BF16, 65 MB sealed. */
const CONFIG = {
  model_type: "llama",
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 3,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  vocab_size: 9000,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
};

export interface Step {
  readonly name: string;
  /** 10^9 bytes a second, of what `of` says. */
  readonly speed: number;
  readonly of: "checkpoint" | "artifact";
}

/** One thread each. Files come from the page cache; goldens, whose price is the engine's, are left out. */
export async function containerSpeed(): Promise<readonly Step[]> {
  const folder = mkdtempSync(join(tmpdir(), "s7l-bench-"));
  try {
    const checkpoint = join(folder, "checkpoint");
    const config = { place: "config.json", values: CONFIG };
    await writeCheckpoint(freshCheckpoint(config, { seed: 1, type: "BF16" }), checkpoint);
    const shards = readdirSync(checkpoint).filter((name) => name.endsWith(".safetensors"));
    const paths = shards.map((name) => join(checkpoint, name));
    const steps = [
      ...(await baselines("checkpoint", paths, folder)),
      { name: "quantize", of: "checkpoint" as const, speed: await speedOf(paths, () => drain(checkpoint)) },
    ];
    const sealed = join(folder, "model.s7l");
    const weights = await quantized(checkpoint);
    const seal = () => sealFile(weights, sealed, fakeGoldens(weights));
    await seal();
    const pack = await speedOf([sealed], async () => {
      rmSync(sealed);
      await seal();
    });
    const source = await openFileSource(sealed);
    const verified = await speedOf([sealed], () => verify(source));
    await source.close();
    return [
      ...steps,
      ...(await baselines("artifact", [sealed], folder)),
      { name: "pack", of: "artifact", speed: pack },
      { name: "verify", of: "artifact", speed: verified },
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function baselines(of: Step["of"], paths: readonly string[], folder: string): Promise<readonly Step[]> {
  const copy = join(folder, "copy");
  const copied = await speedOf(paths, () => {
    for (const path of paths) {
      copyFileSync(path, copy);
      rmSync(copy);
    }
  });
  const bytes = paths.map((path) => readFileSync(path));
  const hashed = await speedOf(paths, () => {
    for (const piece of bytes) createHash("sha256").update(piece).digest();
  });
  return [
    { name: "copy (cp)", of, speed: copied },
    { name: "SHA-256 (node:crypto), in memory", of, speed: hashed },
  ];
}

async function speedOf(paths: readonly string[], run: () => unknown): Promise<number> {
  const bytes = paths.reduce((sum, path) => sum + statSync(path).size, 0);
  return bytes / (await best(run, 1500)) / 1e9;
}

/** Quantizes a whole checkpoint, reading and its hash included, and keeps nothing. */
async function drain(path: string): Promise<void> {
  const checkpoint = await openCheckpoint(path);
  try {
    const weights = quantize(checkpoint);
    for (const tensor of tensorPlan(weights.fold)) for await (const _ of weights.span(tensor));
  } finally {
    await checkpoint.close();
  }
}

/** The weights in memory, so that packing alone is measured. */
async function quantized(path: string): Promise<WeightSource> {
  const checkpoint = await openCheckpoint(path);
  try {
    const weights = quantize(checkpoint);
    const spans = new Map<string, readonly Uint8Array[]>();
    for (const tensor of tensorPlan(weights.fold)) {
      const pieces: Uint8Array[] = [];
      for await (const piece of weights.span(tensor)) pieces.push(piece.slice());
      spans.set(tensor.name, pieces);
    }
    return {
      ...weights, // the digests of what was read stay known
      span: async function* ({ name }) {
        yield* spans.get(name) ?? [];
      },
    };
  } finally {
    await checkpoint.close();
  }
}
