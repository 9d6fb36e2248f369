import type { WeightSource } from "@s7l/format";
import { createFileSink } from "@s7l/format/file";
import { type Seal, type SealOptions, seal } from "../seal.ts";

/**
 * Seals weights into a file, which appears under its name whole, read-only, or not at all. Throws PackError or FormatError;
 * what stood there before then stands there still.
 */
export async function sealFile(weights: WeightSource, path: string, options: SealOptions): Promise<Seal> {
  const sink = await createFileSink(path);
  try {
    const sealed = await seal(weights, sink, options);
    await sink.commit();
    return sealed;
  } finally {
    await sink.abort();
  }
}
