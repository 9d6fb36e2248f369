import { fakeGoldens, randomWeights, tinyFold } from "@s7l/fixtures";
import { type Fold, memorySink } from "@s7l/format";
import { seal } from "@s7l/pack";

/** Neurons of each feed-forward layer: one matrix is then a chunk of 64 KiB and a short one. */
const WIDTH = 4096;

/** The tiny model of four experts with wide layers, in chunks of 64 KiB: 700 kB, of which no request gets all. */
export async function sealWide(seed = 7): Promise<Uint8Array> {
  const sink = memorySink();
  const weights = randomWeights(widened(tinyFold("routed")), seed);
  await seal(weights, sink, { ...fakeGoldens(weights), chunkLog2: 16 });
  return sink.bytes();
}

function widened(fold: Fold): Fold {
  return {
    ...fold,
    stages: fold.stages.map((stage) => {
      if (!("stack" in stage)) return stage;
      const kinds = stage.stack.kinds.map((layer) =>
        layer.ffn.kind === "plain" ? { ...layer, ffn: { ...layer.ffn, width: WIDTH } } : layer,
      );
      return { ...stage, stack: { ...stage.stack, kinds } };
    }),
  };
}
