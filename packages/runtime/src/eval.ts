/**
 * Teacher-forced evaluation. The model runs in integers; what is told to people about it (likelihoods, divergences) is
 * computed from its integer logits in floating point, outside inference.
 */
import { type ByteSink, type ByteSource, takeTurn } from "@s7l/format";
import type { Logits } from "./engine.ts";
import { RuntimeError } from "./errors.ts";
import { likeliest } from "./generation/sampler.ts";
import type { Model } from "./model.ts";
import { littleEndian } from "./receipt/logits-digest.ts";
import { STX } from "./session/gate.ts";
import { openSession } from "./session/session.ts";
import { requireTokenizer } from "./tokenizer/tokenizer.ts";

export interface EvaluateOptions {
  /** Receives the dequantized logits of every position, float32 little-endian [positions, vocab], sequences in order. */
  readonly logits?: ByteSink;
  /** Reference logits in the same layout, to compare with. */
  readonly against?: ByteSource;
  readonly signal?: AbortSignal;
  /** Called after each chunk, with positions. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Evaluation {
  /** Tokens predicted: of each sequence all but the first. */
  readonly tokens: number;
  /** Mean negative log likelihood of the predicted tokens, natural logarithm; NaN where there are none. */
  readonly nll: number;
  readonly perplexity: number;
  /** Share of tokens that were the likeliest. */
  readonly top1: number;
  /** Mean KL divergence of the reference to the model, over all positions, in nats. With `against` alone. */
  readonly kl?: number;
  /** Share of positions where model and reference have the same likeliest token. With `against` alone. */
  readonly top1Agreement?: number;
}

/** Logits that one call may keep, in numbers: 16 MiB of them. */
const LOGITS_A_CALL = 1 << 22;
/** Positions a call at most. */
const CHUNK = 64;

/**
 * Scores sequences of ids, each from its own start. Throws RuntimeError `ids` for an empty list, `context` for a sequence too
 * long, `reference` for reference logits of another size.
 */
export async function evaluate(
  model: Model,
  sequences: readonly (readonly number[])[],
  { logits: sink, against, signal, onProgress }: EvaluateOptions = {},
): Promise<Evaluation> {
  const total = sequences.reduce((sum, ids) => sum + ids.length, 0);
  if (total === 0) throw new RuntimeError("ids", "there are no ids to evaluate");
  // Asked first: the ids before the limit take their time.
  for (const [i, { length }] of sequences.entries())
    if (length > model.context)
      throw new RuntimeError(
        "context",
        `sequence ${i} has ${length} ids; the artifact allows ${model.context}: cut it`,
      );
  const rowBytes = 4 * model.vocab;
  if (against && against.size !== total * rowBytes) {
    throw new RuntimeError(
      "reference",
      `the reference logits have ${against.size} bytes; ${total} positions of ${model.vocab} float32 have ${total * rowBytes}`,
    );
  }
  const chunk = Math.max(1, Math.min(CHUNK, Math.floor(LOGITS_A_CALL / model.vocab)));
  const sums = { done: 0, tokens: 0, nll: 0, hits: 0, kl: 0, agreed: 0 };
  for (const ids of sequences) {
    const session = openSession(model);
    try {
      const body = session.begin(STX);
      for (let at = 0; at < ids.length; at += chunk) {
        await takeTurn(signal);
        const part = ids.slice(at, at + chunk);
        const logits = await body.forward(part, "all");
        const values = dequantize(logits);
        const reference = against && (await readRows(against, sums.done * rowBytes, part.length * rowBytes));
        part.forEach((_, i) => {
          const row = values.subarray(i * model.vocab, (i + 1) * model.vocab);
          const norm = logSumExp(row);
          // Of the integers: rounding to float32 can make ties.
          const best = likeliest(logits.mantissas.subarray(i * model.vocab, (i + 1) * model.vocab));
          const next = ids[at + i + 1];
          if (next !== undefined) {
            sums.tokens++;
            sums.nll += norm - (row[next] ?? Number.NaN);
            if (best === next) sums.hits++;
          }
          if (reference) {
            const wanted = reference.subarray(i * model.vocab, (i + 1) * model.vocab);
            sums.kl += divergence(wanted, logSumExp(wanted), row, norm);
            if (likeliest(wanted) === best) sums.agreed++;
          }
        });
        await sink?.write(sums.done * rowBytes, littleEndian(values));
        sums.done += part.length;
        onProgress?.(sums.done, total);
      }
    } finally {
      session.close();
    }
  }
  const nll = sums.nll / sums.tokens;
  return {
    tokens: sums.tokens,
    nll,
    perplexity: Math.exp(nll),
    top1: sums.hits / sums.tokens,
    ...(against ? { kl: sums.kl / total, top1Agreement: sums.agreed / total } : {}),
  };
}

/** Cuts a text's ids into sequences that each fill the model's context. Throws RuntimeError `no-text`. */
export function sequencesOf(model: Model, text: string): readonly (readonly number[])[] {
  const ids = requireTokenizer(model).encode(text);
  const sequences: (readonly number[])[] = [];
  for (let at = 0; at < ids.length; at += model.context) sequences.push(ids.slice(at, at + model.context));
  return sequences;
}

/** Logits as float32: mantissa · 2^exponent, rounded once. */
export function dequantize({ vocab, mantissas, exponents }: Logits): Float32Array {
  const values = new Float32Array(mantissas.length);
  exponents.forEach((exponent, row) => {
    const unit = 2 ** exponent;
    for (let i = row * vocab; i < (row + 1) * vocab; i++) values[i] = (mantissas[i] ?? 0) * unit;
  });
  return values;
}

async function readRows(source: ByteSource, offset: number, length: number): Promise<Float32Array> {
  const bytes = await source.read(offset, length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Float32Array.from({ length: length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

function logSumExp(row: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const value of row) if (value > max) max = value;
  let sum = 0;
  for (const value of row) sum += Math.exp(value - max);
  return max + Math.log(sum);
}

/** Σ p (log p - log q) of the reference's p and the model's q. */
function divergence(p: Float32Array, pNorm: number, q: Float32Array, qNorm: number): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const logP = (p[i] ?? 0) - pNorm;
    const share = Math.exp(logP);
    if (share > 0) sum += share * (logP - ((q[i] ?? 0) - qNorm));
  }
  return sum;
}
