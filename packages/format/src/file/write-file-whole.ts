/** Small files beside an artifact: indexes, records, signatures, proofs. */
import { createFileSink } from "./file-sink.ts";

/** Writes a file, replacing any of its name, so that it is there whole or not at all. */
export async function writeFileWhole(path: string, bytes: Uint8Array): Promise<void> {
  const sink = await createFileSink(path, { mode: 0o644 });
  try {
    await sink.write(0, bytes);
    await sink.commit();
  } finally {
    await sink.abort();
  }
}
