/**
 * A process that dies between two steps on the file system, without a process: from a chosen step on, every call that would change
 * something never comes back. What stands on disk is then what a kill at that moment leaves.
 */
import fs from "node:fs";
import promises from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

const never = new Promise<never>(() => {});
const CHANGES = ["appendFile", "mkdir", "open", "rename", "rm", "rmdir", "unlink"] as const;

/** Runs `work` until it comes to its step number `steps` (from 0), which is not taken. Says whether it ended before that. */
export async function dieAfter(steps: number, work: () => Promise<unknown>): Promise<boolean> {
  const real = { write: fs.write, ...Object.fromEntries(CHANGES.map((name) => [name, promises[name]])) };
  let taken = 0;
  let die = (): void => {};
  const death = new Promise<false>((resolve) => {
    die = () => resolve(false);
  });
  const alive = (): boolean => {
    if (taken++ < steps) return true;
    die();
    return false;
  };
  for (const name of CHANGES) {
    const act: (...args: never[]) => Promise<unknown> = promises[name];
    Object.assign(promises, { [name]: (...args: never[]) => (alive() ? act(...args) : never) });
  }
  const write: (...args: never[]) => void = fs.write;
  Object.assign(fs, {
    write: (...args: never[]) => {
      if (alive()) write(...args);
    },
  });
  syncBuiltinESMExports();
  try {
    return await Promise.race([work().then(() => true), death]);
  } finally {
    const { write: realWrite, ...rest } = real;
    Object.assign(fs, { write: realWrite });
    Object.assign(promises, rest);
    syncBuiltinESMExports();
  }
}
