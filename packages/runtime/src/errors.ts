import { S7lError } from "@s7l/format";

/** What can go wrong outside the arithmetic. Callers branch on these; they are never renamed. */
export type RuntimeErrorCode =
  | "unverified" // an artifact that verify did not make, or a model that loadModel did not
  | "engine" // an engine that this host or this artifact cannot have
  | "tokenizer" // a sealed tokenizer or vocabulary that cannot be read
  | "no-text" // text asked of an artifact that seals neither tokenizer nor vocabulary
  | "ids" // token ids that the model does not have
  | "context" // more positions than the sealed policy allows
  | "option" // an option outside its range
  | "interleaved" // two users of one session at the same time
  | "reference"; // reference logits that do not fit what is evaluated

/** A request that cannot be served, with the way out in its message. */
export class RuntimeError extends S7lError<RuntimeErrorCode> {
  override readonly name = "RuntimeError";
}

/** Why the control gate (CM-1) did not let a call pass. */
export type GateErrorCode =
  | "mark" // begin was not given U+0002
  | "record" // the sealed record is not STX with its four phases
  | "abi" // the record binds other numerics than this runtime's
  | "policy" // the record binds another policy than the session runs under
  | "forged" // a session or body that openSession and begin did not make: a copy, a proxy, a look-alike
  | "phase"; // a call outside its phase: inference after ETX, a second STX, anything after EOT

/** A call that the control gate refused. */
export class GateError extends S7lError<GateErrorCode> {
  override readonly name = "GateError";
}

/** Why a saved session is not taken up again. */
export type SessionStateErrorCode =
  | "state-form" // not a session state, or of another version
  | "state-digest" // a state that was damaged or cut off
  | "state-root" // the state of another artifact
  | "state-abi" // computed with other numerics
  | "state-content" // ids, sizes or numbers that no session of this artifact has
  | "state-late"; // the body already holds positions

/** A saved session that was refused, before anything ran. */
export class SessionStateError extends S7lError<SessionStateErrorCode> {
  override readonly name = "SessionStateError";
}
