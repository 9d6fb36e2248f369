import { fakeDigests, fakeGoldens, type TinyKind, tinyWeights } from "@s7l/fixtures";
import { type ByteSource, memorySink } from "@s7l/format";
import { seal } from "@s7l/pack";
import { type Prompts, type Replay, verify } from "../src/index.ts";

/** The stand-in for a runtime that every sealed fixture agrees with. */
export const replay: Replay = async (_, prompts) => fakeDigests(prompts);

/** Seals a tiny model the way a caller does: the draft is verified, and its replay gives the digests. */
export async function sealTiny(kind: TinyKind, seed = 7): Promise<Uint8Array> {
  const sink = memorySink();
  const weights = tinyWeights(kind, seed);
  await seal(weights, sink, { ...fakeGoldens(weights), golden: digestsOfDraft });
  return sink.bytes();
}

async function digestsOfDraft(draft: ByteSource, prompts: Prompts): Promise<readonly Uint8Array[]> {
  let digests: readonly Uint8Array[] = [];
  await verify(draft, {
    replay: async (artifact) => {
      digests = await replay(artifact, prompts);
      return digests;
    },
  });
  return digests;
}
