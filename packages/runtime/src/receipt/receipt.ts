/**
 * Receipts: a claim of what a model computed, which anyone with the artifact can hold to it, position by position.
 *
 * A receipt names the artifact, the numerics, the prompt, how ids were chosen and which were, and carries a chain of digests, one link a
 * position: link 0 is SHA-256 of the head (abi, format, root, sampling, version as canonical JSON); each position of the prompt makes
 * link' = SHA-256(link ‖ 0 ‖ id), each generated one SHA-256(link ‖ 1 ‖ id ‖ digest of the logits so far, 32 bytes), and the end SHA-256(link ‖ 2 ‖ why
 * it ended). The first 8 bytes of each link are kept, the last in full: so the first position at which two runs differ shows.
 */
import {
  FormatError,
  type Infer,
  integer,
  list,
  MAX_CONTEXT,
  oneOf,
  optional,
  record,
  type Schema,
  sha256,
  text,
  toHex,
} from "@s7l/format";
import { RuntimeError } from "../errors.ts";
import type { GenerateOptions, GenerateStep, StopReason } from "../generation/generate.ts";
import { completeSampling, describeRange, isWithin, type NumberRange, SAMPLING } from "../generation/sampler.ts";
import type { Model } from "../model.ts";
import { littleEndian } from "./logits-digest.ts";
import { decodeJson, encodeJson } from "./receipt-json.ts";

/** No receipt has more stop texts. Positions and outputs are as many as a context, each. */
export const MAX_STOPS = 256;
/** No receipt file is longer. */
export const MAX_RECEIPT_BYTES = 1 << 27;

const number = (range: NumberRange): Schema<number> => ({
  parse: (value, at) => {
    if (isWithin(value, range)) return value;
    const found = JSON.stringify(value)?.slice(0, 40);
    throw new FormatError("schema", `${at}: ${found}, where ${describeRange(range)} are allowed`, at);
  },
});
const count = ({ min, max }: NumberRange): Schema<number> => integer(max, min);
const hash = text(64, /^[0-9a-f]{64}$/);
const digits = text(20, /^(0|[1-9][0-9]{0,19})$/);
const seedText: Schema<string> = {
  parse: (value, at) => {
    const seed = digits.parse(value, at);
    if (BigInt(seed) < 2n ** 64n) return seed;
    throw new FormatError("schema", `${at}: ${seed} has more than 64 bits`, at);
  },
};
const id = integer(0xffff_ffff);

/** What decided which id followed which logits; the decimals are those of SamplerOptions, and every one is there. */
const samplingSchema = record({
  temperature: number(SAMPLING.temperature),
  topK: count(SAMPLING.topK),
  topP: number(SAMPLING.topP),
  minP: number(SAMPLING.minP),
  repeatPenalty: number(SAMPLING.repeatPenalty),
  repeatLast: count(SAMPLING.repeatLast),
  /** Decimal, as it may have 64 bits. */
  seed: seedText,
  stop: list(text(), MAX_STOPS),
  /** Absent: as many as the context holds. */
  maxTokens: optional(integer(Number.MAX_SAFE_INTEGER, 1)),
});

const receiptSchema = record({
  format: oneOf("s7l-receipt"),
  version: oneOf(1),
  /** Root of the artifact, and the hash of the numerics that it seals. */
  root: hash,
  abi: hash,
  sampling: samplingSchema,
  /** Everything before the first generated id. */
  prompt: list(id, MAX_CONTEXT, 1),
  /** What was generated; the end-of-sequence id too. */
  ids: list(id, MAX_CONTEXT, 1),
  /** Why it ended there. */
  ended: oneOf("eos", "stop", "length", "context"),
  /** First 8 bytes of each link: of the head, then of each position. */
  links: list(text(16, /^[0-9a-f]{16}$/), 2 * MAX_CONTEXT + 1, 3),
  /** The last link, of the end. */
  digest: hash,
  /** What `generate` gave with its last step. */
  logitsDigest: hash,
});

/** A receipt; every text of digits is lower-case hexadecimal. */
export type Receipt = Infer<typeof receiptSchema>;

/** The one encoding of a receipt: canonical JSON, as people read these. */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  return encodeJson(receiptSchema.parse(receipt, "receipt"));
}

/** Reads a receipt. Throws FormatError `schema` or `canonical`; whether it is true, `replayReceipt` says. */
export function parseReceipt(bytes: Uint8Array): Receipt {
  if (bytes.length > MAX_RECEIPT_BYTES)
    throw new FormatError(
      "schema",
      `a receipt has at most ${MAX_RECEIPT_BYTES} bytes, this one ${bytes.length}`,
      "receipt",
    );
  const receipt = decodeJson(bytes, receiptSchema, "receipt");
  const { links, prompt, ids } = receipt;
  if (links.length !== prompt.length + ids.length + 1)
    throw new FormatError(
      "schema",
      `receipt.links: ${links.length} links for ${prompt.length + ids.length} positions and the head`,
      "receipt.links",
    );
  return receipt;
}

/**
 * The receipt of a whole generation: what `generate(promptIds, options)` gave, all of it, in a body that held no positions (or whose ids
 * stand at the front of `promptIds`). Throws RuntimeError `option` where the last step says no stop, so the generation was broken off.
 */
export function createReceipt(
  model: Model,
  promptIds: readonly number[],
  options: GenerateOptions,
  steps: readonly GenerateStep[],
): Receipt {
  const last = steps.at(-1);
  if (!last?.stop)
    throw new RuntimeError("option", "the generation did not come to its end: a receipt is of a whole one");
  const { root, gate } = model.artifact;
  const head: ReceiptHead = { root: toHex(root), abi: toHex(gate.abiHash), sampling: samplingOf(options) };
  let link = headLink(head);
  const links = [shortLink(link)];
  for (const id of promptIds) {
    link = promptLink(link, id);
    links.push(shortLink(link));
  }
  for (const { id, logitsDigest } of steps) {
    link = stepLink(link, id, logitsDigest);
    links.push(shortLink(link));
  }
  return {
    format: "s7l-receipt",
    version: 1,
    ...head,
    prompt: [...promptIds],
    ids: steps.map(({ id }) => id),
    ended: last.stop,
    links,
    digest: toHex(endLink(link, last.stop)),
    logitsDigest: toHex(last.logitsDigest),
  };
}

/** What the first link is of. */
export type ReceiptHead = Pick<Receipt, "root" | "abi" | "sampling">;

export function headLink({ root, abi, sampling }: ReceiptHead): Uint8Array {
  return sha256(encodeJson({ format: "s7l-receipt", version: 1, root, abi, sampling }));
}

export function promptLink(link: Uint8Array, id: number): Uint8Array {
  return sha256(link, Uint8Array.of(0), littleEndian(Int32Array.of(id)));
}

export function stepLink(link: Uint8Array, id: number, logitsDigest: Uint8Array): Uint8Array {
  return sha256(link, Uint8Array.of(1), littleEndian(Int32Array.of(id)), logitsDigest);
}

export function endLink(link: Uint8Array, ended: StopReason): Uint8Array {
  return sha256(link, Uint8Array.of(2), new TextEncoder().encode(ended));
}

/** What a receipt keeps of a link. */
export const shortLink = (link: Uint8Array): string => toHex(link.subarray(0, 8));

function samplingOf(options: GenerateOptions): Receipt["sampling"] {
  const { seed, ...sampling } = completeSampling(options);
  const { stop = [], maxTokens } = options;
  return {
    ...sampling,
    seed: String(seed),
    stop: [...stop],
    ...(maxTokens === undefined ? {} : { maxTokens }),
  };
}
