/**
 * An artifact on a plain file server, read by ranges. The transport is not trusted, every byte is verified afterwards; its
 * rules are what keeps a session on one file, and makes a server's fault known as such.
 *
 * No `If-Match` is sent and no header of ours beyond `Range`: anything else would cost a CORS preflight. The entity tag is
 * compared in each answer instead. A redirect is followed by the host, which shows only where it ended: there the scheme is
 * checked.
 */
import { assertRange, type ByteSource, joinBytes } from "@s7l/format";
import { HttpError } from "./errors.ts";
import { BLOCK, readAhead } from "./read-ahead.ts";
import { requestRange, type Session } from "./request.ts";

export interface HttpOptions {
  /** Sent with each request, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends all reading of this source. */
  readonly signal?: AbortSignal;
  /** Attempts at each range, the first one included. Default 4. */
  readonly attempts?: number;
  /** Milliseconds before the second attempt; doubled for each further one. Default 250. */
  readonly backoff?: number;
  /**
   * Milliseconds without a byte after which an attempt is given up; so it is where the whole takes longer than that and the time of its
   * bytes at 10 kB a second. Default 30,000.
   */
  readonly patience?: number;
  /** Instead of the host's own. */
  readonly fetch?: typeof globalThis.fetch;
}

/** A file on a server, as it was when it was opened. */
export interface HttpSource extends ByteSource {
  /** The strong entity tag that each answer has to carry. */
  readonly etag: string;
  readInto(offset: number, target: Uint8Array): Promise<void>;
  assertUnchanged(): Promise<void>;
}

/** One request asks for at most this, so that a lost connection costs no more. */
const LONGEST = 1 << 24;

/**
 * Opens a file at an http: or https: address with one request, for its first 64 KiB. Throws HttpError, or the signal's
 * reason. A page on another origin needs the server to expose `Content-Range` and `ETag`.
 */
export async function openHttpSource(address: string | URL, options: HttpOptions = {}): Promise<HttpSource> {
  const session = sessionOf(address, options);
  const { size, etag, bytes: front } = await requestRange(session, 0, BLOCK, {});
  const known = { size, etag };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    assertRange(size, offset, length);
    if (offset + length <= front.length) return front.slice(offset, offset + length);
    // In pieces, joined at the end: a size that only a server vouches for allocates nothing before its bytes are there.
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < length; at += LONGEST) {
      const { bytes } = await requestRange(session, offset + at, Math.min(LONGEST, length - at), { known });
      pieces.push(bytes);
    }
    return pieces.length === 1 && pieces[0] ? pieces[0] : joinBytes(pieces);
  };
  return {
    ...readAhead({ size, read }),
    etag,
    readInto: async (offset, target) => {
      assertRange(size, offset, target.length);
      for (let at = 0; at < target.length; at += LONGEST) {
        const piece = target.subarray(at, Math.min(at + LONGEST, target.length));
        await requestRange(session, offset + at, piece.length, { known, target: piece });
      }
    },
    assertUnchanged: async () => {
      await requestRange(session, 0, 1, { known });
    },
  };
}

function sessionOf(address: string | URL, options: HttpOptions): Session {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    // No message shows a password; and fetch takes no such address either.
    const shown = String(address).replace(/.*@/s, "…@");
    throw new HttpError("url", `"${shown}" is not an http: or https: address without a name and password`, shown);
  }
  const { headers = {}, signal, attempts = 4, backoff = 250, patience = 30_000 } = options;
  // Called bare: browsers refuse to run fetch as a method of another object.
  const fetch: typeof globalThis.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  return { url, headers, signal, attempts, backoff, patience, fetch };
}
