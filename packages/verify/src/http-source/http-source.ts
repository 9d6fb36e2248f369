/**
 * An artifact on a plain file server, read by ranges. The transport is not trusted, every byte is verified afterwards; these
 * rules are what keeps a session on one file, and makes a server's fault known as such.
 *
 * No `If-Match` is sent and no header beyond `Range`: anything else would cost a CORS preflight. The entity tag is compared in
 * each answer instead. A redirect is followed by the host, which shows only where it ended: there the scheme is checked.
 */
import { assertRange, type ByteSource } from "@s7l/format";
import { readBody } from "./body.ts";
import { isStrongTag, parseContentRange } from "./content-range.ts";
import { HttpError } from "./errors.ts";
import { BLOCK, readAhead } from "./read-ahead.ts";

export interface HttpOptions {
  /** Sent with each request, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends all reading of this source. */
  readonly signal?: AbortSignal;
  /** Attempts at each range, the first one included. Default 4. */
  readonly attempts?: number;
  /** Milliseconds before the second attempt; doubled for each further one. Default 250. */
  readonly backoff?: number;
  /** Milliseconds without a byte after which an attempt is given up. Default 30,000. */
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

interface Session extends Required<Pick<HttpOptions, "attempts" | "backoff" | "patience" | "fetch">> {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
}

interface Answer {
  readonly size: number;
  readonly etag: string;
  readonly bytes: Uint8Array;
}

/** What a range was found to be before, and where its bytes are wanted. */
interface Demand {
  readonly known?: { readonly size: number; readonly etag: string };
  readonly target?: Uint8Array;
}

/** One request asks for at most this, so that a lost connection costs no more. */
const LONGEST = 1 << 24;
/** Longest wait that a server's `Retry-After` can impose, milliseconds. */
const LONGEST_WAIT = 30_000;
/** Answers that may be better next time. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Opens a file at an http: or https: address with one request, for its first 64 KiB. Throws HttpError, or the signal's
 * reason. A page on another origin needs the server to expose `Content-Range` and `ETag`.
 */
export async function openHttpSource(address: string | URL, options: HttpOptions = {}): Promise<HttpSource> {
  const session = sessionOf(address, options);
  const { size, etag, bytes } = await request(session, 0, BLOCK, {});
  const known = { size, etag };
  const readRange = async (offset: number, target: Uint8Array): Promise<void> => {
    assertRange(size, offset, target.length);
    for (let at = 0; at < target.length; at += LONGEST) {
      const piece = target.subarray(at, Math.min(at + LONGEST, target.length));
      await request(session, offset + at, piece.length, { known, target: piece });
    }
  };
  const direct: ByteSource = {
    size,
    read: async (offset, length) => {
      assertRange(size, offset, length);
      if (offset + length <= bytes.length) return bytes.slice(offset, offset + length);
      if (length <= LONGEST) return (await request(session, offset, length, { known })).bytes;
      // Its pieces first: a size that only a server vouches for allocates nothing before the bytes are there.
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < length; at += LONGEST)
        pieces.push((await request(session, offset + at, Math.min(LONGEST, length - at), { known })).bytes);
      return joined(pieces, length);
    },
  };
  return {
    ...readAhead(direct),
    etag,
    readInto: readRange,
    assertUnchanged: async () => {
      await request(session, 0, 1, { known });
    },
  };
}

function sessionOf(address: string | URL, options: HttpOptions): Session {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:")
    throw new HttpError("url", `"${address}" is not an http: or https: address`, String(address));
  const { headers = {}, signal, attempts = 4, backoff = 250, patience = 30_000 } = options;
  // Called bare: a method of another object than the global one is refused by browsers.
  const fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  return { url, headers, signal, attempts, backoff, patience, fetch };
}

/** One range, with bounded attempts. Where nothing is known yet the file may be shorter than `length`. */
async function request(session: Session, offset: number, length: number, demand: Demand): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    session.signal?.throwIfAborted();
    try {
      return await ask(session, offset, length, demand);
    } catch (error) {
      session.signal?.throwIfAborted();
      if (!(error instanceof Passing)) throw error;
      if (attempt >= session.attempts) throw error.reason;
      await pause(Math.max(session.backoff * 2 ** (attempt - 1), error.wait), session.signal);
    }
  }
}

/** A failure that another attempt may not meet. */
class Passing extends Error {
  readonly reason: HttpError;
  readonly wait: number;

  constructor(reason: HttpError, wait = 0) {
    super(reason.message);
    this.reason = reason;
    this.wait = wait;
  }
}

async function ask(session: Session, offset: number, length: number, { known, target }: Demand): Promise<Answer> {
  const { url, headers, signal, patience } = session;
  const place = `${url.href} at ${offset}`;
  const stall = new AbortController();
  let timer = setTimeout(() => stall.abort(), patience);
  const touch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => stall.abort(), patience);
  };
  const leave = (): void => stall.abort();
  signal?.addEventListener("abort", leave, { once: true });
  try {
    const response = await session.fetch(url, {
      headers: { ...headers, range: `bytes=${offset}-${offset + length - 1}` },
      signal: stall.signal,
      // Some workers know no HTTP cache and refuse to be told about it.
      ...("cache" in Request.prototype ? { cache: "no-store" as const } : {}),
    });
    touch();
    try {
      const { size, etag, last } = agree(response, url, offset, length, known);
      const bytes = await readBody(response.body, last - offset + 1, target, touch);
      return { size, etag, bytes };
    } catch (error) {
      response.body?.cancel().catch(() => undefined);
      throw error;
    }
  } catch (error) {
    if (error instanceof Passing) throw error;
    // A short body is a lost connection as a rule; a long one, or a wrong head, will not get better.
    if (error instanceof HttpError && !(error.code === "body" && error.message.includes("ended"))) throw error;
    if (error instanceof HttpError) throw new Passing(error);
    if (stall.signal.aborted)
      throw new Passing(new HttpError("stalled", `${place}: nothing came for ${patience} ms`, place));
    const reason = error instanceof Error ? error.message : String(error);
    throw new Passing(new HttpError("unreachable", `${place}: ${reason}`, place, { cause: error }));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", leave);
  }
}

/** Holds the head of an answer to the rules. */
function agree(
  response: Response,
  url: URL,
  offset: number,
  length: number,
  known: Demand["known"],
): { readonly size: number; readonly etag: string; readonly last: number } {
  const place = `${url.href} at ${offset}`;
  const refuse = (code: HttpError["code"], message: string): never => {
    throw new HttpError(code, `${url.href}: ${message}`, place);
  };
  const scheme = URL.canParse(response.url) ? new URL(response.url).protocol : url.protocol;
  if (scheme !== url.protocol) refuse("redirect", `it leads from ${url.protocol} to ${scheme}`);
  const { status } = response;
  if (PASSING.has(status)) {
    const reason = new HttpError("status", `${url.href}: the server answers ${status}, after all attempts`, place);
    throw new Passing(reason, Math.min(LONGEST_WAIT, 1000 * (Number(response.headers.get("retry-after")) || 0)));
  }
  if (status === 200) refuse("no-ranges", "the server sends the whole file; one that serves byte ranges is needed");
  if (status !== 206) refuse("status", `the server answers ${status}`);
  const encoding = response.headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") refuse("encoding", `the body is compressed (${encoding})`);
  const header = response.headers.get("content-range");
  if (header === null) return refuse("no-ranges", "the answer has no Content-Range, or the server does not expose it");
  const range = parseContentRange(header);
  if (!range) return refuse("content-range", `"${header}" is not a range`);
  const etag = response.headers.get("etag") ?? "";
  if (!isStrongTag(etag)) refuse("etag", `the server gives no strong ETag (${etag || "none"}), or does not expose it`);
  if (known && etag !== known.etag) refuse("changed", `the file changed while it was read (${known.etag}, now ${etag})`);
  if (known && range.size !== known.size)
    refuse("changed", `the file changed while it was read (${known.size} bytes, now ${range.size})`);
  const last = Math.min(offset + length, range.size) - 1;
  if (range.first !== offset || range.last !== last || (known && last !== offset + length - 1))
    refuse("content-range", `bytes ${offset}-${last} were asked for, "${header}" came`);
  return { size: range.size, etag, last };
}

/** Waits, or throws the signal's reason. */
function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", leave);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", leave, { once: true });
  });
}

function joined(pieces: Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces.splice(0)) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
