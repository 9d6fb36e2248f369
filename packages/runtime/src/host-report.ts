/** What a host has, measured: for people who wonder why it is slow, or what it would choose. Nothing here changes a bit of any result. */
import { builtin, sha256 } from "@s7l/format";
import { bestEngine, hasExactRelaxed, hasRelaxed, hasSimd } from "./engine/host.ts";
import { hasSharedMemory, hostThreads } from "./engine/host-threads.ts";
import { canWiden } from "./engine/wide-vectors.ts";
import type { EngineName } from "./engine.ts";
import { autoThreads, SMALL_WEIGHTS } from "./engine-choice.ts";

export interface HostReport {
  /** Threads that this host runs at once. */
  readonly cores: number;
  /** Whether threads can share memory; where they cannot, every engine has one. */
  readonly sharedMemory: boolean;
  /** WebAssembly SIMD128, which the engine `simd` needs. */
  readonly simd: boolean;
  /** Whether `widenVectors` can have V8 join vectors of 128 bits to 256; a processor without AVX2 leaves them as they are. */
  readonly wide: boolean;
  /** Relaxed SIMD: whether the host has it, computes exactly what the engine `relaxed` needs, and faster than SIMD128. */
  readonly relaxed: { readonly present: boolean; readonly exact: boolean; readonly faster: boolean };
  /** Where SHA-256 comes from, and bytes a second of it on one thread. */
  readonly sha256: { readonly source: "node:crypto" | "@noble/hashes"; readonly speed: number };
  /** Bytes of WebAssembly memory that the host grants at once, 2^32 at most; 0 where it has no WebAssembly. */
  readonly memory: number;
  /** What `auto` takes; threads for weights of more than `aloneBelow` bytes, one for others. */
  readonly auto: { readonly engine: EngineName; readonly threads: number; readonly aloneBelow: number };
}

/** Looks and measures, in well under a second. */
export async function describeHost(): Promise<HostReport> {
  const engine = await bestEngine();
  return {
    cores: hostThreads(),
    sharedMemory: hasSharedMemory(),
    simd: hasSimd(),
    wide: canWiden(),
    relaxed: { present: hasRelaxed(), exact: await hasExactRelaxed(), faster: engine === "relaxed" },
    sha256: { source: builtin("node:crypto") ? "node:crypto" : "@noble/hashes", speed: hashSpeed() },
    memory: grantedMemory(),
    auto: {
      engine,
      threads: engine === "interpreter" || !hasSharedMemory() ? 1 : autoThreads(Number.POSITIVE_INFINITY),
      aloneBelow: SMALL_WEIGHTS,
    },
  };
}

/** The shortest of several times counts. */
function hashSpeed(): number {
  const bytes = new Uint8Array(1 << 22);
  let shortest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    sha256(bytes);
    shortest = Math.min(shortest, performance.now() - start);
  }
  return bytes.length / (shortest / 1000);
}

const MAX_PAGES = 1 << 16;

/** Asks for less and less; a host only reserves addresses for what is never written. */
function grantedMemory(): number {
  if (typeof WebAssembly !== "object") return 0;
  for (let pages = MAX_PAGES; pages >= 1; pages >>= 1) {
    try {
      return new WebAssembly.Memory({ initial: pages, maximum: MAX_PAGES }).buffer.byteLength;
    } catch {
      // Too much for this host.
    }
  }
  return 0;
}
