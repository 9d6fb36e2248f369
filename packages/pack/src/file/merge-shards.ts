/** Parts become one artifact: the others are appended to the first, each chunk checked against its leaf on the way. */
import { readdir } from "node:fs/promises";
import { toHex, type WeightSource } from "@s7l/format";
import type { SealedTensor } from "../data.ts";
import { PackError } from "../errors.ts";
import type { Seal } from "../finish.ts";
import { type PlanOptions, planSeal, type SealPlan } from "../plan.ts";
import { MAX_SHARDS } from "../shard.ts";
import { PartFile } from "./part-file.ts";
import { partName, partsFolder } from "./parts-folder.ts";
import { type FinishOptions, finishedBefore, finishPart } from "./seal-file.ts";

export interface MergeOptions extends PlanOptions, FinishOptions {
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Merges the parts in `PATH.parts` into the artifact, which appears under its name whole, read-only, or not at all; the parts are
 * removed. The bytes are those of `sealFile`, for any number of shards. Killed at any moment, it can be run again. Throws
 * PackError `part` for a part that is missing, unfinished, truncated, changed, or of another plan, by its number.
 */
export async function mergeShards(weights: WeightSource, path: string, options: MergeOptions): Promise<Seal> {
  const plan = planSeal(weights, options);
  const finished = await finishedBefore(plan, path, options);
  if (finished) return finished;
  const of = await countShards(plan, path);
  const first = await PartFile.open(plan, { number: 1, of }, path);
  try {
    const sealed: SealedTensor[] = [];
    let done = 0;
    for (let number = 1; number <= of; number++) {
      const part = number === 1 ? first : await PartFile.open(plan, { number, of }, path);
      try {
        for (const tensor of part.tensors) {
          const known = part.finished(tensor);
          if (!known)
            throw new PackError(
              "part",
              `${part.name} is not finished: tensor ${tensor.name} is missing; run pack --shard ${number}/${of} again`,
              part.name,
            );
          let offset = plan.dataOffset + tensor.offset;
          for await (const chunk of part.chunks(tensor)) {
            options.signal?.throwIfAborted();
            if (part !== first) await first.store.write(offset, chunk);
            offset += chunk.length;
            done += chunk.length;
            options.onProgress?.(done, plan.data.size);
          }
          sealed.push(known);
        }
      } finally {
        if (part !== first) await part.suspend();
      }
    }
    return await finishPart(first, sealed, options);
  } finally {
    await first.suspend();
  }
}

/** Of how many shards the parts of a plan are: those whose parts are all there. */
async function countShards(plan: SealPlan, path: string): Promise<number> {
  const folder = partsFolder(path);
  const names = new Set(await readdir(folder).catch(() => []));
  const found = [...names].flatMap((name) => {
    const match = /^([0-9a-f]{16})-(\d{1,5})-of-(\d{1,5})\.record$/.exec(name);
    return match ? [{ plan: match[1], number: Number(match[2]), of: Number(match[3]) }] : [];
  });
  const own = found.filter((part) => part.plan === toHex(plan.id).slice(0, 16));
  const others = found.length - own.length;
  const strangers =
    others > 0 ? `; ${others} of another plan lie there, made of other weights or with other options` : "";
  const refuse = (message: string): never => {
    throw new PackError("part", `${message}${strangers}`, folder);
  };
  if (own.length === 0) refuse(`${folder} has no finished part of this artifact`);
  const totals = [...new Set(own.map(({ of }) => of))]
    .filter((of) => of >= 1 && of <= MAX_SHARDS)
    .sort((a, b) => a - b);
  const missing = totals.map((of) => ({
    of,
    numbers: Array.from({ length: of }, (_, i) => i + 1).filter(
      (number) => !names.has(`${partName(plan, { number, of })}.record`),
    ),
  }));
  // The bytes are the same whichever division is whole.
  const whole = missing.find(({ numbers }) => numbers.length === 0);
  if (whole) return whole.of;
  const [{ of, numbers } = { of: 0, numbers: [] }] = missing.sort((a, b) => a.numbers.length - b.numbers.length);
  return refuse(
    `${numbers.length === 1 ? "part" : "parts"} ${listed(numbers)} of ${of} ${numbers.length === 1 ? "is" : "are"} missing in ${folder}; run pack --shard ${numbers[0]}/${of}`,
  );
}

const listed = (numbers: readonly number[]): string =>
  numbers.length > 8 ? `${numbers.slice(0, 8).join(", ")} and ${numbers.length - 8} more` : numbers.join(", ");
