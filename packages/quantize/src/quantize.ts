/**
 * `quantize`: a checkpoint goes in, its tensors in sealed form come out, one span at a time, as they are asked for. Memory is a
 * block of rows and the scales of one tensor, whatever the model's size.
 */
import {
  createSha256,
  equalBytes,
  type Meta,
  type PlannedTensor,
  type Provenance,
  type SpanPlace,
  spanLayout,
  type WeightSource,
} from "@s7l/format";
import type { Checkpoint } from "./checkpoint/checkpoint.ts";
import type { StoredTensor } from "./checkpoint/safetensors.ts";
import { type View, whole } from "./checkpoint/view.ts";
import { vocabularyOf } from "./checkpoint/vocabulary.ts";
import { lookUp } from "./config.ts";
import { QuantizeError } from "./errors.ts";
import { type BoundTensor, lowerCheckpoint } from "./lower.ts";
import type { Derived } from "./lowering.ts";
import { assertFinite, hashedRows, quantizedSpan, type SpanEnd } from "./quantized-span.ts";
import { type Report, reportOf, type TensorReport } from "./report.ts";
import { startStatistics } from "./rows.ts";

export interface QuantizeOptions {
  /** What the artifact is called, for people. Default: the config's architecture. */
  readonly name?: string;
  readonly creator?: string;
  /** Any text; nothing is taken from the clock. */
  readonly created?: string;
}

/** Quantized weights, read lazily from the checkpoint, which must stay open. */
export interface QuantizedWeights extends WeightSource {
  /** Of the tensors whose spans were read to their end, in sealed order. */
  readonly report: () => Report;
  /** The line of one tensor in it. */
  readonly tensorReport: (tensor: PlannedTensor) => TensorReport | undefined;
}

/**
 * Lowers a checkpoint and quantizes its tensors as their spans are read. The result is a function of the checkpoint's bytes and
 * the options alone. Throws QuantizeError, here for what the headers show and from `span` for what the data shows.
 */
export function quantize(checkpoint: Checkpoint, options: QuantizeOptions = {}): QuantizedWeights {
  return quantizeBy(quantizedSpan, checkpoint, options);
}

/** Writes the span of a stored tensor where it is made. */
export type WriteStored = (
  tensor: PlannedTensor,
  view: View,
  stored: StoredTensor,
  place: SpanPlace,
  signal: AbortSignal | undefined,
) => Promise<SpanEnd & { readonly hashes: Uint8Array }> | undefined;

/** The same with spans of stored tensors made elsewhere, and written from there where `write` is given. */
export function quantizeBy(
  make: typeof quantizedSpan,
  checkpoint: Checkpoint,
  options: QuantizeOptions = {},
  write?: WriteStored,
): QuantizedWeights {
  const lowered = lowerCheckpoint(checkpoint);
  const { vocabulary, notes } = vocabularyOf(
    checkpoint.files,
    checkpoint.config,
    lowered.fold.vocab,
    lowered.eos ?? [],
  );
  const bound = new Map(lowered.tensors.map((entry) => [entry.tensor.name, entry]));
  const digests = new Map<string, Uint8Array>();
  const reports = new Map<string, TensorReport>();

  const find = ({ name }: PlannedTensor): BoundTensor => {
    const found = bound.get(name);
    if (!found) throw new QuantizeError("tensor", `tensor ${name} is not planned by this fold`, name);
    return found;
  };

  const note = async ({ name }: PlannedTensor, { digest, report }: SpanEnd): Promise<void> => {
    if (name === lowered.fold.embedding && lowered.tiedHead) await assertTied(lowered.tiedHead, name, digest);
    digests.set(name, digest);
    reports.set(name, report);
  };

  async function* span(planned: PlannedTensor): AsyncGenerator<Uint8Array, void, undefined> {
    const { tensor, source } = find(planned);
    const { digest, report } =
      source.kind === "derived"
        ? yield* derivedSpan(tensor, source, checkpoint)
        : yield* make(tensor, source, storedOf(checkpoint, source));
    await note(tensor, { digest, report });
  }

  const writeSpan = (planned: PlannedTensor, place: SpanPlace, signal?: AbortSignal) => {
    const { tensor, source } = find(planned);
    const written =
      source.kind === "derived" ? undefined : write?.(tensor, source, storedOf(checkpoint, source), place, signal);
    return written?.then(async ({ hashes, ...end }) => {
      await note(tensor, end);
      return hashes;
    });
  };

  return {
    fold: lowered.fold,
    ...(lowered.lexical ? { lexical: lowered.lexical } : {}),
    vocabulary,
    meta: metaOf(checkpoint, options, [...(lowered.notes ?? []), ...notes]),
    origin: (planned) => originOf(find(planned)),
    span,
    ...(write ? { writeSpan } : {}),
    sourceDigest: ({ name }) => {
      const digest = digests.get(name);
      if (!digest) throw new QuantizeError("tensor", `the digest of ${name} is known once its span was read`, name);
      return digest;
    },
    tensorReport: ({ name }) => reports.get(name),
    report: () => ({
      family: lowered.family,
      tensors: lowered.tensors.flatMap(({ tensor }) => reports.get(tensor.name) ?? []),
    }),
  };
}

/**
 * Refuses a stored head whose bytes are not the embedding's, of which `digest` is the SHA-256: transformers 5 runs such a head whatever the
 * config says (modeling_utils.py, tie_weights), 4 does not.
 */
async function assertTied(head: StoredTensor, embedding: string, digest: Uint8Array): Promise<void> {
  const hash = createSha256();
  for await (const _ of hashedRows(whole(head.name, ...head.shape), head, hash));
  if (equalBytes(hash.digest(), digest)) return;
  const message = `tensor ${head.name} in ${head.file} is not ${embedding}, though the config ties the two, and versions of transformers disagree on which is meant: set tie_word_embeddings to false, or leave the tensor out`;
  throw new QuantizeError("tensor", message, head.name);
}

function originOf({ tensor, source }: BoundTensor): Omit<Provenance, "sha256"> {
  if (source.kind === "derived")
    return { method: "derive", sources: [...source.inputs.map((view) => view.tensor), ...source.from] };
  const method = tensor.dtype === "i8" ? "per_row_int8" : tensor.dtype === "i8x2" ? "two_plane_int8" : "copy";
  return { method, sources: [source.tensor] };
}

function metaOf({ config }: Checkpoint, { name, creator, created }: QuantizeOptions, notes: readonly string[]): Meta {
  const architectures = lookUp(config, "architectures");
  const first = Array.isArray(architectures) ? architectures[0] : undefined;
  const type = String(lookUp(config, "model_type"));
  return {
    name: name ?? (typeof first === "string" ? first.slice(0, 512) : type),
    ...(creator === undefined ? {} : { creator }),
    createdFrom: type,
    ...(created === undefined ? {} : { created }),
    ...(notes.length > 0 ? { notes: notes.slice(0, 64) } : {}),
  };
}

/** The stored tensor that a view lies in. Throws QuantizeError `tensor` where there is none. */
export function storedOf({ tensors }: Checkpoint, { tensor }: View): StoredTensor {
  const stored = tensors.get(tensor);
  if (!stored) throw new QuantizeError("tensor", `tensor ${tensor} is missing from the checkpoint`, tensor);
  return stored;
}

/** Constants. Their source is the config values they follow from, as UTF-8 lines, after any tensors. */
async function* derivedSpan(
  tensor: PlannedTensor,
  source: Derived,
  checkpoint: Checkpoint,
): AsyncGenerator<Uint8Array, SpanEnd, undefined> {
  const hash = createSha256();
  const inputs: Float32Array[] = [];
  for (const view of source.inputs) {
    const stored = storedOf(checkpoint, view);
    for await (const { values } of hashedRows(view, stored, hash)) {
      assertFinite(values, view.tensor, 0);
      // The reader uses this memory again.
      inputs.push(values.slice());
    }
    await stored.source.assertUnchanged?.();
  }
  hash.update(new TextEncoder().encode(source.from.map((line) => `${line}\n`).join("")));
  const span = new Uint8Array(spanLayout(tensor).size);
  const view = new DataView(span.buffer);
  const values = source.compute(inputs);
  if (values.length !== tensor.shape[0])
    throw new QuantizeError(
      "tensor",
      `tensor ${tensor.name} has ${tensor.shape[0]} values; ${values.length} were derived`,
      tensor.name,
    );
  for (const [i, value] of values.entries()) {
    if (typeof value === "bigint") view.setBigUint64(8 * i, value, true);
    else view.setUint32(4 * i, value, true);
  }
  yield span;
  return { digest: hash.digest(), report: reportOf(tensor, startStatistics()) };
}
