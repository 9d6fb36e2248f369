import { S7lError } from "@s7l/format";

/** Why an artifact counts as unsigned. Callers branch on these; they are never renamed. */
export type SignatureErrorCode =
  | "signature-missing" // one is required and there is none
  | "signature-form" // not a file of a known form, or not the only encoding of what it says
  | "signature-count" // none or several in one bundle
  | "signature-payload" // a statement of another kind, or at odds with itself
  | "signature-subject" // of another root, size or file
  | "signature-wrong" // does not verify
  | "key-form" // not a key file of a known form
  | "key-kind" // a key that does not go with this signature, or a curve that is not taken
  | "key-weak" // a point that no honest key is
  | "key-other" // the signature names another key
  | "key-password"; // an encrypted key without its password

/** A signature or key is refused. */
export class SignatureError extends S7lError<SignatureErrorCode> {
  override readonly name = "SignatureError";
}

/** Ends a check. */
export function refuse(code: SignatureErrorCode, message: string, cause?: unknown): never {
  throw new SignatureError(code, message, undefined, cause === undefined ? undefined : { cause });
}
