/**
 * The head of an answer, held to the rules of a session: 206, the very range that was asked for, the file's own bytes
 * and no compressed form of them, and the entity tag and size that the session began with.
 */
import { isStrongTag, parseContentRange } from "./content-range.ts";
import { HttpError, type HttpErrorCode } from "./errors.ts";

/** What stays the same as long as the file does. */
export interface Identity {
  /** Bytes of the file. */
  readonly size: number;
  /** A strong entity tag. */
  readonly etag: string;
}

/** An address as sentences name it: without its query, where signed addresses have their secret. */
export const addressName = ({ origin, pathname, search }: URL): string => origin + pathname + (search && "?…");

/** A range that was asked for. */
export interface Range {
  readonly url: URL;
  readonly offset: number;
  readonly length: number;
}

/**
 * The file's identity and how many bytes will come. Throws HttpError. Where the identity is not known yet, the file may be
 * shorter than the range; later it may not.
 */
export function agree(response: Response, range: Range, known: Identity | undefined): Identity & { length: number } {
  const { url, offset } = range;
  const refuse = (code: HttpErrorCode, message: string): never => {
    throw new HttpError(code, `${addressName(url)}: ${message}`, `${addressName(url)} at ${offset}`);
  };
  const scheme = URL.canParse(response.url) ? new URL(response.url).protocol : url.protocol;
  if (scheme !== url.protocol) refuse("redirect", `it leads from ${url.protocol} to ${scheme}`);
  if (response.status === 200)
    refuse("no-ranges", "the server sends the whole file; one that serves byte ranges is needed");
  if (response.status !== 206) refuse("status", `the server answers ${response.status}`);
  const encoding = response.headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity") refuse("encoding", `the body is compressed (${encoding})`);

  const header = response.headers.get("content-range");
  if (header === null) return refuse("no-ranges", "the answer has no Content-Range, or the server does not expose it");
  const given = parseContentRange(header);
  if (!given) return refuse("content-range", `"${header}" is not a range`);
  const etag = response.headers.get("etag") ?? "";
  if (!isStrongTag(etag)) refuse("etag", `the server gives no strong ETag (${etag || "none"}), or does not expose it`);
  if (known && etag !== known.etag)
    refuse("changed", `the file changed while it was read (${known.etag}, now ${etag})`);
  if (known && given.size !== known.size)
    refuse("changed", `the file changed while it was read (${known.size} bytes, now ${given.size})`);
  const length = known ? range.length : Math.min(range.length, given.size - offset);
  if (given.first !== offset || given.last !== offset + length - 1)
    refuse("content-range", `bytes ${offset}-${offset + length - 1} were asked for, "${header}" came`);
  return { size: given.size, etag, length };
}
