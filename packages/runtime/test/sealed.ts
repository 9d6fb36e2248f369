/** Real artifacts for the tests of this package: sealed, verified and replayed by the real packages. */
import { type TinyKind, tinyWeights } from "@s7l/fixtures";
import { type ByteSource, memorySink, memorySource, type WeightSource } from "@s7l/format";
import { seal } from "@s7l/pack";
import { openVerified, type VerifiedArtifact, verify } from "@s7l/verify";
import { type LoadOptions, loadModel, type Model } from "../src/model.ts";
import { goldenPrompts, replayGolden } from "../src/replay-golden.ts";

/** The bytes of an artifact whose golden digests are the runtime's own. */
export async function sealBytes(
  weights: WeightSource,
  prompts: readonly (readonly number[])[] = goldenPrompts(weights),
  maxContext = weights.fold.context,
): Promise<Uint8Array> {
  const sink = memorySink();
  const golden = async (draft: ByteSource): Promise<readonly Uint8Array[]> => {
    let digests: readonly Uint8Array[] = [];
    await verify(draft, {
      replay: async (artifact, ids) => {
        digests = await replayGolden(artifact, ids);
        return digests;
      },
    });
    return digests;
  };
  await seal(weights, sink, { golden, prompts, policy: { maxContext } });
  return sink.bytes();
}

/** A sealed artifact, opened. */
export async function sealArtifact(weights: WeightSource, maxContext?: number): Promise<VerifiedArtifact> {
  return openVerified(memorySource(await sealBytes(weights, [[0]], maxContext)));
}

/** A tiny model, loaded from a sealed artifact. */
export async function tinyModel(kind: TinyKind, options?: LoadOptions): Promise<Model> {
  return loadModel(await sealArtifact(tinyWeights(kind)), options);
}
