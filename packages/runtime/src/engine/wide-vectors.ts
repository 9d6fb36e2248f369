/**
 * Vectors of 256 bits. WebAssembly has 128; V8 joins operations on neighbouring vectors into one of AVX2 where its process is told to, by
 * a flag that it calls experimental. Lanes stay what they are, so no bit changes: `npm run test:nodes` holds every kernel to that.
 */
import { builtin } from "@s7l/format";

interface Process {
  readonly arch: string;
  readonly versions: Readonly<Record<string, string | undefined>>;
}

interface V8 {
  setFlagsFromString(flags: string): void;
}

/** The first Node whose V8 gains by it: 20 lacks the flag, and 22 has it and joins nothing. */
const FIRST_NODE = 24;

function isProcess(found: unknown): found is Process {
  return typeof found === "object" && found !== null && "arch" in found && "versions" in found;
}

function isV8(found: unknown): found is V8 {
  return (
    typeof found === "object" &&
    found !== null &&
    "setFlagsFromString" in found &&
    typeof found.setFlagsFromString === "function"
  );
}

let widened = false;

/** Whether {@link widenVectors} has told V8. */
export function isWide(): boolean {
  return widened;
}

/** Whether V8 here can be told; where it cannot it would complain on the terminal. A processor without AVX2 it leaves alone. */
export function canWiden(): boolean {
  const process = builtin("node:process");
  if (!isProcess(process) || process.arch !== "x64") return false;
  const { node, bun, deno } = process.versions;
  return bun === undefined && deno === undefined && Number.parseInt(node ?? "", 10) >= FIRST_NODE;
}

/**
 * Lets V8 use vectors of 256 bits for all WebAssembly that it optimises from now on, in the whole process: a third off the time of
 * a prefill, where one core had a matrix of 1 MB to multiply. That is a program's choice, not a library's, so nothing here calls it; the
 * command `s7l` does. Gives whether this host can.
 */
export function widenVectors(): boolean {
  const v8 = canWiden() && builtin("node:v8");
  if (!isV8(v8)) return false;
  v8.setFlagsFromString("--experimental-wasm-revectorize");
  widened = true;
  return true;
}
