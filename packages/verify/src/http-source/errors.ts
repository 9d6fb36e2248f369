import { S7lError } from "@s7l/format";

/** Why bytes could not be had over HTTP. None of these says anything about the artifact itself. */
export type HttpErrorCode =
  | "url" // not an http: or https: address
  | "unreachable" // no answer, after all attempts
  | "stalled" // an answer that stopped coming, after all attempts
  | "status" // an answer that is neither the range nor a passing failure
  | "redirect" // another scheme than was asked for
  | "no-ranges" // the whole file, or an answer without a range
  | "content-range" // another range than was asked for
  | "encoding" // a compressed body: its bytes are not the file's
  | "etag" // no strong ETag, so that a change could not be noticed
  | "changed" // another ETag or size than at the start
  | "short" // fewer bytes than announced, after all attempts
  | "overlong"; // more bytes than announced

/** The server, or what stands between, did not give the bytes asked for. */
export class HttpError extends S7lError<HttpErrorCode> {
  override readonly name = "HttpError";
}
