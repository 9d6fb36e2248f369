/**
 * `verify`: is this file an artifact, whole and unaltered, by every rule from V0 to V7?
 */
import { type ByteSource, equalBytes, S7lError, startSectionDigest, toHex } from "@s7l/format";
import { ahead } from "./ahead.ts";
import {
  type Coverage,
  checkTensor,
  layoutOf,
  noteTensor,
  type SealedTensor,
  type VerifiedArtifact,
} from "./artifact.ts";
import { judgeSignature, type SignatureOptions, type SignatureVerdict } from "./authenticity.ts";
import type { ChunkCache } from "./cache/chunk-cache.ts";
import { chunkBuffers } from "./chunk-buffers.ts";
import { entryOf } from "./envelope.ts";
import { refuse, VerifyError } from "./errors.ts";
import { type Front, verifyFront } from "./front.ts";
import { Ledger, type RuleVerdict } from "./ledger.ts";
import { equalDigests, sealedGoldens } from "./rules/v6-replay.ts";
import { SignatureError } from "./signature/errors.ts";
import type { TensorPlace } from "./tensor-reader.ts";

/** Token ids of the golden prompts. */
export type Prompts = readonly (readonly number[])[];

/** Runs the prompts and gives the digest of each one's logits; the runtime's `replayGolden`. */
export type Replay = (artifact: VerifiedArtifact, prompts: Prompts) => Promise<readonly Uint8Array[]>;

export interface OpenOptions extends SignatureOptions {
  /** The root that the artifact must have: 32 bytes, or their hexadecimal form. Anything else refuses every artifact. */
  readonly expectedRoot?: Uint8Array | string;
  readonly signal?: AbortSignal;
  /**
   * Where verified chunks are kept, and looked for when a tensor is read; each hit is hashed again. `verify` itself fills it
   * and reads the source all the same, unless it is told `fromCache`.
   */
  readonly cache?: ChunkCache;
}

export interface VerifyOptions extends OpenOptions {
  /** Without it V6 checks the root alone, and its verdict says `replayed: false`. */
  readonly replay?: Replay;
  /** Verifies the data of one expert alone. The prompts are not replayed, as they need every component. */
  readonly expert?: number;
  /**
   * Takes chunks that the cache has, hashed again, instead of reading them from the source. The verdict is then on the artifact,
   * of which the source need not have those bytes.
   */
  readonly fromCache?: boolean;
  readonly onProgress?: (coverage: Coverage) => void;
}

export interface Verification {
  /** Every rule holds for what was read, and so does the signature where one was given or required. */
  readonly ok: boolean;
  /** R in hexadecimal, or undefined where the file has none that recomputes. */
  readonly root: string | undefined;
  /** V0 to V7, in order. The broken one has a code of its own; those that rest on it say `not-reached`. */
  readonly rules: readonly RuleVerdict[];
  /** The verdict on the one rule that is broken, if one is. */
  readonly broken?: RuleVerdict & { readonly ok: false };
  /** `whole`: every byte was checked. `partial`: all that was asked for. `broken`: a rule is. */
  readonly integrity: "whole" | "partial" | "broken";
  /**
   * A consistent file is not yet an authentic one: `signed` where a signature was given and holds, `refused` where it does not
   * or is missing though required, `pinned` where the caller's root was met, else `unproven`.
   */
  readonly authenticity: "signed" | "pinned" | "unproven" | "refused";
  /** The verdict on the signature, where one was given or required, and the root stands. */
  readonly signature?: SignatureVerdict;
  readonly coverage: Coverage;
  /** Present exactly when `ok`. */
  readonly artifact?: VerifiedArtifact;
}

/**
 * Verifies an artifact. A bad file is a verdict, never an exception; what is thrown is a failing source (its S7lError),
 * an abort, an error of the caller's own `replay` or `onProgress`, or, of an expert that the artifact does not have, S7lError `option`.
 */
export function verify(source: ByteSource, options: VerifyOptions = {}): Promise<Verification> {
  return verifyWith(source, options);
}

/** Tensors to check, of an artifact whose front is verified. */
export interface TensorWork {
  readonly place: TensorPlace;
  readonly tensors: readonly SealedTensor[];
  /** To be called once for each tensor that holds. */
  readonly onVerified: (name: string) => void;
}

/** Checks tensors off this thread. Whatever it does not vouch for is checked here, so it never has to say why. */
export type Helper = (work: TensorWork) => Promise<void>;

/** `verify`, with help; for this package only (not exported by its index), as what a helper says is believed. */
export async function verifyWith(source: ByteSource, options: VerifyOptions, helper?: Helper): Promise<Verification> {
  const ledger = new Ledger();
  let front: Front | undefined;
  let signature: SignatureVerdict | undefined;
  try {
    front = await verifyFront(source, options, ledger);
    signature = await judgeSignature(front.artifact, options);
    await verifyTree(front, options, ledger);
    await verifyTensors(front, options, ledger, helper);
    // What nobody vouches for is still inspected, but not run.
    await replayGoldens(front, signature?.ok === false ? withoutReplay(options) : options, ledger);
    await front.source.assertUnchanged?.();
    return verdict(ledger, front, options, signature);
  } catch (error) {
    if (!(error instanceof VerifyError)) throw error;
    ledger.note(error);
    return verdict(ledger, front, options, signature, error);
  }
}

/**
 * Opens an artifact for lazy use: all is verified that needs no tensor, and each tensor is when it is read. Throws
 * VerifyError with the rule that is broken, or SignatureError.
 */
export async function openVerified(source: ByteSource, options: OpenOptions = {}): Promise<VerifiedArtifact> {
  const ledger = new Ledger();
  const { artifact } = await verifyFront(source, options, ledger);
  ledger.check("V6", () => sealedGoldens(artifact.golden));
  const signature = await judgeSignature(artifact, options);
  if (signature?.ok === false) throw new SignatureError(signature.code, signature.message);
  return artifact;
}

/** Tensors read at a time, so that small ones do not wait for each other. */
const TENSORS_AHEAD = 4;

/** TREE as a section; its slices are proved again with each tensor. Skipped where only an expert is asked for. */
async function verifyTree(
  { envelope, source }: Front,
  { expert, signal }: VerifyOptions,
  ledger: Ledger,
): Promise<void> {
  if (expert !== undefined) return;
  const entry = entryOf(envelope, "TREE");
  const digest = startSectionDigest(entry);
  const step = 2 ** envelope.header.chunkLog2;
  for (let at = 0; at < entry.size; at += step) {
    signal?.throwIfAborted();
    digest.update(await source.read(entry.offset + at, Math.min(step, entry.size - at)));
  }
  ledger.check("V6", () => {
    if (!equalBytes(digest.digest(), entry.digest))
      refuse("section-digest", "section TREE does not match its digest", "TREE");
  });
}

async function verifyTensors(
  { artifact }: Front,
  { expert, signal, fromCache, onProgress }: VerifyOptions,
  ledger: Ledger,
  helper: Helper | undefined,
): Promise<void> {
  const { place, sealed } = layoutOf(artifact);
  const tensors = sealed.filter(({ tensor }) => expert === undefined || tensor.component === `expert${expert}`);
  // The question is wrong then, and not the artifact: no rule is broken by it.
  if (tensors.length === 0) {
    const { length } = artifact.components.filter(({ name }) => name.startsWith("expert"));
    throw new S7lError("option", `the artifact has ${length} experts, from 0 on`);
  }
  const verified = new Set<string>();
  const onVerified = (name: string): void => {
    verified.add(name);
    noteTensor(artifact, name);
    onProgress?.(artifact.coverage());
  };
  await helper?.({ place, tensors, onVerified });
  const rest = tensors.filter(({ tensor }) => !verified.has(tensor.name));
  const longest = rest.reduce((most, { tensor }) => Math.max(most, tensor.length), 0);
  const buffers = chunkBuffers(Math.min(longest, place.chunkSize));
  const checked = ahead(rest, TENSORS_AHEAD, ({ tensor }) =>
    checkTensor(artifact, tensor.name, { signal, buffers, fromCache }),
  );
  for await (const _ of checked) onProgress?.(artifact.coverage());
  ledger.settle("V0", "V3");
}

async function replayGoldens({ artifact }: Front, { replay, expert }: VerifyOptions, ledger: Ledger): Promise<void> {
  const { golden } = artifact;
  if (replay && expert === undefined) {
    const digests = await replay(
      artifact,
      golden.map(({ ids }) => ids),
    );
    ledger.check("V6", () => sealedGoldens(golden));
    ledger.check("V6", () => equalDigests(golden, digests));
    ledger.noteReplay();
  } else {
    ledger.check("V6", () => sealedGoldens(golden));
  }
  ledger.settle("V6");
}

function withoutReplay({ replay: _, ...rest }: VerifyOptions): VerifyOptions {
  return rest;
}

function verdict(
  ledger: Ledger,
  front: Front | undefined,
  options: VerifyOptions,
  signature: SignatureVerdict | undefined,
  error?: VerifyError,
): Verification {
  const coverage = front?.artifact.coverage() ?? { chunks: 0, total: 0 };
  const ok = error === undefined && signature?.ok !== false;
  const rules = ledger.verdicts();
  const broken = rules.find((rule) => !rule.ok && rule.code !== "not-reached");
  return {
    ok,
    root: ledger.root && toHex(ledger.root),
    rules,
    ...(broken && !broken.ok ? { broken } : {}),
    integrity: error ? "broken" : coverage.chunks === coverage.total ? "whole" : "partial",
    authenticity: authenticityOf(options, signature, error),
    ...(signature ? { signature } : {}),
    coverage,
    ...(ok && front ? { artifact: front.artifact } : {}),
  };
}

/** A signature is one of a root; it says nothing about a file whose bytes are not under it. */
function authenticityOf(
  { expectedRoot }: VerifyOptions,
  signature: SignatureVerdict | undefined,
  error: VerifyError | undefined,
): Verification["authenticity"] {
  if (signature?.ok === false) return "refused";
  if (error) return "unproven";
  if (signature) return "signed";
  return expectedRoot === undefined ? "unproven" : "pinned";
}
