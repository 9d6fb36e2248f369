/**
 * The folder of an artifact's parts, `OUT.parts`. Each name begins with the plan, so that parts of different plans never meet and
 * those of one can be taken away together: bytes, records, the seal's mark, and what a killed process had under a temporary name.
 */
import { mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { equalBytes, FormatError, HASH_SIZE, HEADER_SIZE, toHex } from "@s7l/format";
import { assertReplaceable, attemptWrite, openFileSource, writeFileWhole } from "@s7l/format/file";
import type { Seal } from "../finish.ts";
import type { SealPlan } from "../plan.ts";
import type { Shard } from "../shard.ts";

/** The folder of an artifact's parts. */
export const partsFolder = (out: string): string => `${out}.parts`;

const planName = ({ id }: SealPlan): string => toHex(id).slice(0, 16);

/** The name of a part, without ending: plan, number and of how many. */
export const partName = (plan: SealPlan, { number, of }: Shard): string => `${planName(plan)}-${number}-of-${of}`;

const markName = (plan: SealPlan): string => `${planName(plan)}-sealed`;

/** Makes the folder where it is missing; its own folder must be there. Throws FormatError `io`. */
export async function makePartsFolder(out: string): Promise<void> {
  await assertReplaceable(out);
  await attemptWrite(out, async () => {
    try {
      await mkdir(partsFolder(out));
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause && cause.code === "EEXIST")) throw cause;
    }
  });
}

/**
 * Notes the root that the artifact is about to get its name with. A process that is killed after that, with parts still lying here,
 * is then known to have been done.
 */
export const markSealed = (plan: SealPlan, out: string, { root }: Seal): Promise<void> =>
  writeFileWhole(join(partsFolder(out), markName(plan)), root);

/** The seal of `out`, where an earlier run of this plan put it under its name and did not come to remove its parts. */
export async function findSealed(plan: SealPlan, out: string): Promise<Seal | undefined> {
  const mark = await readFront(join(partsFolder(out), markName(plan)), HASH_SIZE, HASH_SIZE);
  const header = mark && (await readFront(out, plan.fileSize, HEADER_SIZE));
  if (!header) return undefined;
  // R is the last field of the header.
  const root = header.slice(-HASH_SIZE);
  return equalBytes(root, mark) ? { root, size: plan.fileSize } : undefined;
}

/** The first bytes of a file of a known size; undefined where something else stands there, or nothing. */
async function readFront(path: string, size: number, length: number): Promise<Uint8Array | undefined> {
  try {
    const source = await openFileSource(path);
    try {
      return source.size === size ? await source.read(0, length) : undefined;
    } finally {
      await source.close();
    }
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** Removes one part: its bytes, its record, and records that were being written when their process was killed. */
export const removePart = (plan: SealPlan, shard: Shard, out: string): Promise<void> =>
  removeNamed(out, `${partName(plan, shard)}.`);

/** Removes all that lies here of a plan, in whatever division; its mark last, which says that the rest may go. */
export async function removePlan(plan: SealPlan, out: string): Promise<void> {
  await removeNamed(out, `${planName(plan)}-`, markName(plan));
  await removeNamed(out, markName(plan));
}

/** Removes files by how their names begin, with or without the dot of a temporary file, and the folder with the last of them. */
async function removeNamed(out: string, start: string, except?: string): Promise<void> {
  const folder = partsFolder(out);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (name === except || !(name.startsWith(start) || name.startsWith(`.${start}`))) continue;
    await rm(join(folder, name), { force: true });
  }
  // It stays while other parts are in it, and a folder that stays does no harm.
  await rmdir(folder).catch(() => undefined);
}
