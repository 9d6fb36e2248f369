/** Keys of an Axolotl file that have no part in making a model are named, on stderr, so that nothing is dropped in silence. */
export function sayUnused(keys: readonly string[], file: string): void {
  if (keys.length > 0) process.stderr.write(`s7l: ${file}: not used here: ${keys.join(", ")}\n`);
}
