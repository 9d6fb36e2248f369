/** A fresh folder a test. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Makes a folder, hands it over, and removes it with all that is in it. */
export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "s7l-cli-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The checkpoint that comes along, and its root under the present numerics is what `s7l demo` prints. */
export const MINI = join(import.meta.dirname, "../../../models/s7-mini");
