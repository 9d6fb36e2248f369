/**
 * Compiled kernels import a memory and say which kind; nothing else in them depends on it. So one file serves both kinds:
 * threads set the flag.
 */
import { RuntimeError } from "../errors.ts";

const IMPORTS = 2;
const MEMORY = 2;
/** Limits of a memory: has a maximum, is shared (WebAssembly threads, binary format of limits). */
const HAS_MAX = 1;
const SHARED = 2;

/** A copy of a module whose one import, a memory with a maximum, is shared. */
export function withSharedMemory(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const bytes = module.slice();
  let at = 8;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const section = number();
    const end = number() + at;
    if (section !== IMPORTS) {
      at = end;
      continue;
    }
    const count = number();
    for (const _ of ["module", "name"]) {
      const length = number();
      at += length;
    }
    if (count !== 1 || bytes[at] !== MEMORY || bytes[at + 1] !== HAS_MAX) break;
    bytes[at + 1] = HAS_MAX | SHARED;
    return bytes;
  }
  throw new RuntimeError("engine", "the compiled kernels do not import one memory with a maximum: build again");
}
