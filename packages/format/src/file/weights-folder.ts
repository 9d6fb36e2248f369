/**
 * A weights folder: what quantize gives, kept on disk for pack (seed 001 §5, `model/weights/`).
 *
 *     weights.json    fold, routing, special tokens, display metadata, and a record a tensor
 *     weights.bin     the spans, one after another in plan order
 *     tokenizer.json or vocab.json, report.json
 *
 * weights.json is written last, so a folder that has one is whole. Each record holds the hash of its span: weights that
 * changed on disk are refused by name when they are read.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { FormatError } from "../errors.ts";
import { foldSchema } from "../fold/fold.ts";
import { lexicalSchema } from "../fold/lexical.ts";
import { MAX_TENSORS, type PlannedTensor, tensorPlan } from "../fold/tensor-plan.ts";
import { createSha256, sha256, toHex } from "../hash.ts";
import { type Infer, integer, list, oneOf, optional, record, text, type Value } from "../schema.ts";
import { spanLayout } from "../span.ts";
import { metaSchema, provenanceSchema, type Vocabulary, type WeightSource } from "../weights.ts";
import { createFileSink } from "./file-sink.ts";
import { type FileSource, openFileSource } from "./file-source.ts";
import { writeFileWhole } from "./write-file-whole.ts";

const hex = text(64, /^[0-9a-f]{64}$/);

const tensorSchema = record({
  name: text(512),
  method: provenanceSchema.fields.method,
  sources: provenanceSchema.fields.sources,
  /** SHA-256 of the source bytes. */
  source: hex,
  /** SHA-256 of the span. */
  span: hex,
});

const folderSchema = record({
  format: oneOf("s7l-weights"),
  version: oneOf(1),
  fold: foldSchema,
  lexical: optional(lexicalSchema),
  vocabulary: record({
    /** SHA-256 of the files of those names, where there are such. */
    tokenizer: optional(hex),
    vocab: optional(hex),
    chatTemplate: optional(text()),
    bos: optional(integer()),
    eos: list(integer(), 64),
  }),
  meta: metaSchema,
  tensors: list(tensorSchema, MAX_TENSORS, 1),
});

type Folder = Infer<typeof folderSchema>;

const FILES = {
  index: "weights.json",
  data: "weights.bin",
  tokenizer: "tokenizer.json",
  vocab: "vocab.json",
  report: "report.json",
};

/** Bytes of weights.json, and of a tokenizer, that are read at most. */
const MAX_JSON = 512 * 2 ** 20;
/** Bytes of a span that are read at once. */
const PIECE = 1 << 20;

/** What may be written beside the weights; asked for after the last span. */
export interface WeightsExtra {
  readonly report?: () => unknown;
}

/**
 * Writes a weights folder, making the folder where it is missing. Throws FormatError `io`, or whatever the weights throw; the
 * folder then has no new file.
 */
export async function writeWeights(folder: string, weights: WeightSource, extra: WeightsExtra = {}): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new FormatError(
      "io",
      `${folder} cannot be made: ${cause instanceof Error ? cause.message : String(cause)}`,
      folder,
      { cause },
    );
  });
  const plan = tensorPlan(weights.fold);
  const data = await createFileSink(join(folder, FILES.data), { mode: 0o644 });
  try {
    const tensors: Folder["tensors"][number][] = [];
    let offset = 0;
    for (const tensor of plan) {
      const hash = createSha256();
      const start = offset;
      for await (const piece of weights.span(tensor)) {
        const written = data.write(offset, piece);
        hash.update(piece);
        await written;
        offset += piece.length;
      }
      const { size } = spanLayout(tensor);
      if (offset - start !== size) {
        throw new FormatError(
          "content",
          `tensor "${tensor.name}" came with ${offset - start} bytes; its shape gives ${size}`,
          tensor.name,
        );
      }
      const { method, sources } = weights.origin(tensor);
      tensors.push({
        name: tensor.name,
        method,
        sources,
        source: toHex(weights.sourceDigest(tensor)),
        span: toHex(hash.digest()),
      });
    }
    await data.commit();
    const { tokenizer, vocab, ...rest } = weights.vocabulary;
    if (tokenizer) await writeFileWhole(join(folder, FILES.tokenizer), tokenizer);
    if (vocab) await writeFileWhole(join(folder, FILES.vocab), vocab);
    const vocabulary: Folder["vocabulary"] = {
      ...rest,
      ...(tokenizer ? { tokenizer: toHex(sha256(tokenizer)) } : {}),
      ...(vocab ? { vocab: toHex(sha256(vocab)) } : {}),
    };
    if (extra.report) await writeFileWhole(join(folder, FILES.report), encodeJson(extra.report()));
    const index: Folder = {
      format: "s7l-weights",
      version: 1,
      fold: weights.fold,
      ...(weights.lexical ? { lexical: weights.lexical } : {}),
      vocabulary,
      meta: weights.meta,
      tensors,
    };
    await writeFileWhole(join(folder, FILES.index), encodeJson(index));
  } finally {
    await data.abort();
  }
}

const encodeJson = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, undefined, 1)}\n`);

/** A weights folder that was opened. Close it when done. */
export interface OpenWeights extends WeightSource {
  /** SHA-256 of weights.json, which holds the hash of each span: it stands for the whole folder. */
  readonly identity: Uint8Array;
  close(): Promise<void>;
}

/**
 * Opens a weights folder. Throws FormatError: `io` where a file cannot be read, `schema` where weights.json is not what
 * quantize writes, `fold` where its fold contradicts itself, `content` where its parts do not fit each other.
 */
export async function openWeights(folder: string): Promise<OpenWeights> {
  const indexPath = join(folder, FILES.index);
  const indexBytes = await readWhole(indexPath);
  const index = folderSchema.parse(parseJson(indexBytes, indexPath), FILES.index);
  const { tokenizer, vocab, ...rest } = index.vocabulary;
  const vocabulary: Vocabulary = {
    ...rest,
    ...(tokenizer === undefined ? {} : { tokenizer: await readHashed(join(folder, FILES.tokenizer), tokenizer) }),
    ...(vocab === undefined ? {} : { vocab: await readHashed(join(folder, FILES.vocab), vocab) }),
  };
  const places = placeSpans(index, indexPath);
  const dataPath = join(folder, FILES.data);
  const data = await openFileSource(dataPath);
  const expected = [...places.values()].reduce((sum, { length }) => sum + length, 0);
  if (data.size !== expected) {
    await data.close();
    throw new FormatError(
      "content",
      `${dataPath} has ${data.size} bytes; ${FILES.index} describes ${expected}`,
      dataPath,
    );
  }
  const placeOf = ({ name }: PlannedTensor): Place => {
    const place = places.get(name);
    if (!place) throw new FormatError("range", `${folder} has no tensor "${name}"`, name);
    return place;
  };
  return {
    identity: sha256(indexBytes),
    fold: index.fold,
    ...(index.lexical ? { lexical: index.lexical } : {}),
    vocabulary,
    meta: index.meta,
    origin: (tensor) => {
      const { method, sources } = placeOf(tensor).tensor;
      return { method, sources };
    },
    span: (tensor) => readSpan(data, placeOf(tensor), dataPath),
    sourceDigest: (tensor) =>
      Uint8Array.from(placeOf(tensor).tensor.source.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)),
    close: () => data.close(),
  };
}

interface Place {
  readonly offset: number;
  readonly length: number;
  readonly tensor: Folder["tensors"][number];
}

/** Where each span lies in weights.bin; the records are the plan's, in its order. */
function placeSpans(index: Folder, path: string): ReadonlyMap<string, Place> {
  const plan = tensorPlan(index.fold);
  if (plan.length !== index.tensors.length) {
    throw new FormatError(
      "content",
      `${path} describes ${index.tensors.length} tensors; its fold has ${plan.length}`,
      path,
    );
  }
  let offset = 0;
  return new Map(
    plan.map((planned, i) => {
      const tensor = index.tensors[i];
      if (tensor?.name !== planned.name) {
        throw new FormatError(
          "content",
          `${path} describes tensor "${tensor?.name}" where its fold has "${planned.name}"`,
          path,
        );
      }
      const place = { offset, length: spanLayout(planned).size, tensor };
      offset += place.length;
      return [planned.name, place] as const;
    }),
  );
}

async function* readSpan(data: FileSource, { offset, length, tensor }: Place, path: string): AsyncIterable<Uint8Array> {
  const hash = createSha256();
  for (let at = 0; at < length; at += PIECE) {
    const piece = await data.read(offset + at, Math.min(PIECE, length - at));
    hash.update(piece);
    yield piece;
  }
  if (toHex(hash.digest()) !== tensor.span) {
    throw new FormatError(
      "content",
      `tensor "${tensor.name}" in ${path} is not what was quantized: quantize again`,
      tensor.name,
    );
  }
}

async function readWhole(path: string): Promise<Uint8Array> {
  const source = await openFileSource(path);
  try {
    if (source.size > MAX_JSON)
      throw new FormatError("io", `${path} has ${source.size} bytes; ${MAX_JSON} are allowed`, path);
    return await source.read(0, source.size);
  } finally {
    await source.close();
  }
}

async function readHashed(path: string, expected: string): Promise<Uint8Array> {
  const bytes = await readWhole(path);
  if (toHex(sha256(bytes)) !== expected) {
    throw new FormatError("content", `${path} is not the file that was quantized with: quantize again`, path);
  }
  return bytes;
}

function parseJson(bytes: Uint8Array, path: string): Value {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FormatError(
      "schema",
      `${path} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      path,
      { cause },
    );
  }
  return plainValue(json, path);
}

/** JSON without null, booleans and reals is a plain value; the schema judges the rest. */
function plainValue(json: unknown, at: string): Value {
  if (typeof json === "string" || typeof json === "number") return json;
  if (Array.isArray(json)) return json.map((item, i) => plainValue(item, `${at}[${i}]`));
  if (typeof json !== "object" || json === null)
    throw new FormatError("schema", `${at}: ${JSON.stringify(json)} is not allowed`, at);
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, plainValue(item, `${at}.${key}`)]));
}
