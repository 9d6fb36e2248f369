/** What a token costs in memory traffic, and what the machine has of it: decoding is as fast as weights can be read. */
import { type Fold, type Stage, spanLayout, tensorPlan } from "@s7l/format";

/** Sealed bytes of weights that one token reads: of experts those that run, of a table that is not the head one row. */
export function bytesPerToken(fold: Fold): number {
  const share = expertShare(fold.stages);
  return tensorPlan(fold).reduce((sum, tensor) => {
    const { size } = spanLayout(tensor);
    if (tensor.component === "embedding" && fold.head.kind !== "tied") return sum + size / fold.vocab;
    return sum + (tensor.component.startsWith("expert") ? size * share : size);
  }, 0);
}

/** Which part of the experts runs for one token. A fold has experts of one sort. */
function expertShare(stages: readonly Stage[]): number {
  for (const stage of stages) {
    if (stage.kind === "routed") return 1 / stage.experts;
    if (stage.kind !== "layers") continue;
    for (const { ffn } of stage.stack.kinds) if (ffn.kind === "experts") return ffn.used / ffn.count;
  }
  return 1;
}

const BYTES = 1 << 27; // far beyond any cache
const ROUNDS = 8;

/** Bytes a second that one thread reads: native code that looks for a byte that is not there. */
export function readSpeed(): number {
  const bytes = Buffer.alloc(BYTES, 2);
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) {
    const start = performance.now();
    bytes.indexOf(1);
    shortest = Math.min(shortest, performance.now() - start);
  }
  return BYTES / (shortest / 1000);
}
