/** Opens what FILE|URL names. */
import type { ByteSource } from "@s7l/format";
import { openFileSource } from "@s7l/format/file";
import { refuseUsage } from "./errors.ts";

/** A source with an end. */
export interface OpenSource extends ByteSource {
  close(): Promise<void>;
}

/** Opens a file. Throws FormatError `io` where it cannot be read. */
export async function openSource(place: string): Promise<OpenSource> {
  if (/^https?:\/\//.test(place)) refuseUsage(`${place} is a URL; download it first, this version reads files`);
  return openFileSource(place);
}

/** Opens, works and closes, whatever happens. */
export async function withSource<T>(place: string, work: (source: ByteSource) => Promise<T>): Promise<T> {
  const source = await openSource(place);
  try {
    return await work(source);
  } finally {
    await source.close();
  }
}
