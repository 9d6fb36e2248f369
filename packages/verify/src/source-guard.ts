/**
 * Makes any source trustworthy in form: reads stay within its size, give exactly what was asked, and fail as an S7lError: the source's
 * own (an HttpError), or FormatError `io` for whatever else it throws. An abort passes through, and so does a signal's timeout.
 */
import { assertRange, type ByteSource, FormatError, readInto, S7lError } from "@s7l/format";

/** The same source, guarded. Its size is fixed now. */
export function guardSource(source: ByteSource): ByteSource {
  const { size } = source;
  if (!Number.isSafeInteger(size) || size < 0) throw new FormatError("io", `a source of size ${size}`);
  const within = async <T>(offset: number, length: number, act: () => Promise<T>): Promise<T> => {
    assertRange(size, offset, length);
    try {
      return await act();
    } catch (cause) {
      const aborted = cause instanceof Error && /^(Abort|Timeout)Error$/.test(cause.name);
      if (aborted || cause instanceof S7lError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new FormatError("io", `${length} bytes at ${offset} could not be read: ${reason}`, undefined, { cause });
    }
  };
  const read = (offset: number, length: number): Promise<Uint8Array> =>
    within(offset, length, async () => {
      const { buffer, byteOffset, byteLength } = await source.read(offset, length);
      if (byteLength !== length)
        throw new FormatError("io", `the source gave ${byteLength} bytes for ${length} at ${offset}`);
      // A plain view: of Node's Buffer, and of whatever else extends Uint8Array, `slice` may be no copy.
      return new Uint8Array(buffer, byteOffset, length);
    });
  return {
    size,
    read,
    ...(source.readInto
      ? { readInto: (offset, target) => within(offset, target.length, () => readInto(source, offset, target)) }
      : {}),
    assertUnchanged: async () => source.assertUnchanged?.(),
    ...(source.shared ? { shared: source.shared } : {}),
  };
}
