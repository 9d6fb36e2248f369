/**
 * One range by HTTP, with bounded attempts and a limit to waiting. Only what may be better next time is tried again: no
 * connection, a server that is busy, a body that ends or stops. A wrong answer is final.
 */
import { addressName, agree, type Identity, type Range } from "./answer.ts";
import { readBody } from "./body.ts";
import { HttpError } from "./errors.ts";
import { fetchFailure } from "./fetch-failure.ts";

/** How a session asks. */
export interface Session {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
  readonly attempts: number;
  /** Milliseconds before the second attempt, doubled for each further one. */
  readonly backoff: number;
  /** Milliseconds without a byte. */
  readonly patience: number;
  readonly fetch: typeof globalThis.fetch;
}

/** What a file was found to be, and bytes of it. */
export interface Answer extends Identity {
  readonly bytes: Uint8Array;
}

/** What the session knows already, and where the bytes are wanted. */
export interface Demand {
  readonly known?: Identity;
  readonly target?: Uint8Array;
}

/** Bytes a millisecond that an answer has to come at, once patience is over: else one of a byte each 29 seconds would never end. */
const SLOWEST = 10;
/** Longest wait that a server's `Retry-After` can impose, milliseconds. */
const LONGEST_WAIT = 30_000;
/** Answers that may be another one next time. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** Another attempt may do better. */
class Passing extends Error {
  readonly reason: HttpError;
  /** Milliseconds. */
  readonly wait: number;

  constructor(reason: HttpError, wait = 0) {
    super(reason.message);
    this.reason = reason;
    this.wait = wait;
  }
}

/** Asks for a range until it is there. Throws HttpError, or the signal's reason. */
export async function requestRange(session: Session, offset: number, length: number, demand: Demand): Promise<Answer> {
  const range: Range = { url: session.url, offset, length };
  for (let attempt = 1; ; attempt++) {
    session.signal?.throwIfAborted();
    try {
      return await ask(session, range, demand);
    } catch (error) {
      session.signal?.throwIfAborted();
      if (!(error instanceof Passing)) throw error;
      if (attempt >= session.attempts) throw error.reason;
      await pause(Math.max(session.backoff * 2 ** (attempt - 1), error.wait), session.signal);
    }
  }
}

async function ask(session: Session, range: Range, { known, target }: Demand): Promise<Answer> {
  const { url, offset, length } = range;
  const { signal, patience } = session;
  const stop = new AbortController();
  const end = (): void => stop.abort();
  const place = `${addressName(url)} at ${offset}`;
  const deadline = Date.now() + patience + length / SLOWEST;
  let timer = setTimeout(end, patience);
  const touch = (): void => {
    clearTimeout(timer);
    timer = setTimeout(end, Math.min(patience, deadline - Date.now()));
  };
  signal?.addEventListener("abort", end, { once: true });
  let response: Response | undefined;
  try {
    response = await session.fetch(url, {
      headers: { ...session.headers, range: `bytes=${offset}-${offset + length - 1}` },
      signal: stop.signal,
      // Some workers have no HTTP cache and refuse to be told about it.
      ...("cache" in Request.prototype ? { cache: "no-store" as const } : {}),
    });
    touch();
    if (PASSING.has(response.status)) throw busy(response, range);
    const { size, etag, length: coming } = agree(response, range, known);
    const bytes = target ?? new Uint8Array(coming);
    await readBody(response.body, bytes, touch, place);
    return { size, etag, bytes };
  } catch (error) {
    // A body that is left unread would hold its connection.
    if (response?.body?.locked === false) response.body.cancel().catch(() => undefined);
    throw judge(error, stop.signal.aborted, patience, place);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

function busy({ status, headers }: Response, { url, offset }: Range): Passing {
  const seconds = Number(headers.get("retry-after")) || 0;
  return new Passing(
    new HttpError(
      "status",
      `${addressName(url)}: the server answers ${status}, however often it is asked`,
      `${addressName(url)} at ${offset}`,
    ),
    Math.min(LONGEST_WAIT, seconds * 1000),
  );
}

/** Tells a passing failure from a final one. */
function judge(error: unknown, stopped: boolean, patience: number, place: string): unknown {
  if (error instanceof Passing) return error;
  if (error instanceof HttpError) return error.code === "short" ? new Passing(error) : error;
  if (stopped)
    return new Passing(
      new HttpError("stalled", `${place}: nothing came for ${patience} ms, or less than ${SLOWEST} bytes a ms`, place),
    );
  return new Passing(new HttpError("unreachable", `${place}: ${fetchFailure(error)}`, place, { cause: error }));
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
