import { chown } from "node:fs/promises";
import { isMainThread } from "node:worker_threads";

/** Nobody's number wherever there is one. */
const NOBODY = 65534;

/** Whether `asAnybody` can do it: a thread, as Stryker has tests run on, stays who its process is. */
export const CAN_BE_ANYBODY = isMainThread || process.getuid?.() !== 0;

/** Acts as an owner of `paths` whom permissions hold: root, as tests run in containers, may open everything. */
export async function asAnybody(paths: readonly string[], act: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return act();
  for (const path of paths) await chown(path, NOBODY, NOBODY);
  process.seteuid?.(NOBODY);
  try {
    await act();
  } finally {
    process.seteuid?.(0);
  }
}
