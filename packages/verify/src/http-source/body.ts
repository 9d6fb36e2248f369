/**
 * The body of an answer, exactly as long as announced.
 */
import { HttpError, type HttpErrorCode } from "./errors.ts";

/** Fills `target`. `touch` is called whenever something has arrived; `place` is for errors. */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  target: Uint8Array,
  touch: () => void,
  place: string,
): Promise<void> {
  const refuse = (code: HttpErrorCode, message: string): never => {
    throw new HttpError(code, `${place}: the answer ${message}`, place);
  };
  if (!body) return refuse("short", `has no body, where ${target.length} bytes were asked for`);
  const reader = body.getReader();
  let filled = 0;
  try {
    for (let { done, value } = await reader.read(); !done && value; { done, value } = await reader.read()) {
      touch();
      if (value.length > target.length - filled)
        refuse("overlong", `goes on past the ${target.length} bytes that were asked for`);
      target.set(value, filled);
      filled += value.length;
    }
  } catch (error) {
    // Tells the server to stop; what it says to that no longer matters.
    reader.cancel().catch(() => undefined);
    throw error;
  }
  if (filled < target.length) refuse("short", `ended after ${filled} of ${target.length} bytes`);
}
