import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Test vectors that stand beside the checkout, where they stand there: tests that need them skip otherwise. */
const suites = join(import.meta.dirname, "../../../../shared/suites");

export const hasSuites = existsSync(suites);

/** A file of the suites as text. */
export function suiteText(path: string): string {
  return readFileSync(join(suites, path), "utf8");
}

interface Wycheproof<Group, Test> {
  readonly testGroups: readonly (Group & { readonly tests: readonly Test[] })[];
}

/** All tests of a Wycheproof file, each with its group. */
export function wycheproof<Group, Test>(file: string): readonly (Group & Test)[] {
  const { testGroups }: Wycheproof<Group, Test> = JSON.parse(suiteText(`wycheproof/testvectors_v1/${file}`));
  return testGroups.flatMap(({ tests, ...group }) => tests.map((test) => ({ ...group, ...test }) as Group & Test));
}

/** Bytes of a hexadecimal text. */
export function fromHex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"));
}
