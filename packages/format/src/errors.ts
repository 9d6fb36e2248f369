/**
 * The one shape of error in this project. A package declares a closed union of codes and throws `S7lError<Code>`;
 * callers branch on `code`, people read `message`, and `at` names the place (section, tensor, chunk, path).
 */
export class S7lError<Code extends string = string> extends Error {
  override readonly name: string = "S7lError";
  readonly code: Code;
  readonly at: string | undefined;

  constructor(code: Code, message: string, at?: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.at = at;
  }
}

export type FormatErrorCode =
  | "schema" // a value of another shape than its schema
  | "canonical" // bytes that are not the one canonical encoding of a value
  | "header" // a header or section table that no writer produces
  | "layout" // records that disagree with the layout recomputed from names and shapes
  | "content" // a tensor's bytes that break a rule of the format: padding, scales, -128, reals that are not finite
  | "fold" // a fold that is not well-formed
  | "range" // a read outside the source
  | "io"; // the source failed or changed while it was read

/** Bytes or values that are not what the format says. */
export class FormatError extends S7lError<FormatErrorCode> {
  override readonly name = "FormatError";
}
