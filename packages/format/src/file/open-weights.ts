/** Reads a weights folder: its spans, each held to the hash that weights.json has of it. */
import { join } from "node:path";
import { FormatError } from "../errors.ts";
import type { PlannedTensor } from "../fold/tensor-plan.ts";
import { createSha256, sha256, toHex } from "../hash.ts";
import { parseJson } from "../json.ts";
import type { Value } from "../schema.ts";
import type { Vocabulary, WeightSource } from "../weights.ts";
import { type FileSource, openFileSource } from "./file-source.ts";
import { FILES, type Folder, folderSchema, placeSpans } from "./weights-folder.ts";

/** Bytes of weights.json, and of a tokenizer, that are read at most. */
const MAX_JSON = 512 * 2 ** 20;
/** Bytes of a span that are read at once. */
const PIECE = 1 << 20;

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
  const index = folderSchema.parse(jsonOf(indexBytes, indexPath), FILES.index);
  const { tokenizer, vocab, ...rest } = index.vocabulary;
  const vocabulary: Vocabulary = {
    ...rest,
    ...(tokenizer === undefined ? {} : { tokenizer: await readHashed(join(folder, FILES.tokenizer), tokenizer) }),
    ...(vocab === undefined ? {} : { vocab: await readHashed(join(folder, FILES.vocab), vocab) }),
  };
  const places = placeRecords(index, indexPath);
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
  const spare: Areas[] = [];
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
    span: (tensor) => readSpan(data, placeOf(tensor), dataPath, spare),
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

/** The places of the records, which are the plan's, in its order. */
function placeRecords(index: Folder, path: string): ReadonlyMap<string, Place> {
  const spans = placeSpans(index.fold);
  if (spans.length !== index.tensors.length) {
    throw new FormatError(
      "content",
      `${path} describes ${index.tensors.length} tensors; its fold has ${spans.length}`,
      path,
    );
  }
  return new Map(
    spans.map(({ tensor: { name }, offset, length }, i) => {
      const tensor = index.tensors[i];
      if (tensor?.name !== name) {
        throw new FormatError(
          "content",
          `${path} describes tensor "${tensor?.name}" where its fold has "${name}"`,
          path,
        );
      }
      return [name, { offset, length, tensor }] as const;
    }),
  );
}

/** Memory of spans that were read: two areas each, one of which is read into while the caller has the other. */
type Areas = readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];

async function* readSpan(
  data: FileSource,
  { offset, length, tensor }: Place,
  path: string,
  spare: Areas[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createSha256();
  const areas = spare.pop() ?? [new Uint8Array(PIECE), new Uint8Array(PIECE)];
  let turn: 0 | 1 = 1;
  let at = 0;
  const start = (): Promise<Uint8Array> | undefined => {
    if (at === length) return undefined;
    turn = turn === 0 ? 1 : 0;
    const piece = areas[turn].subarray(0, Math.min(PIECE, length - at));
    const read = data.readInto(offset + at, piece).then(() => piece);
    at += piece.length;
    return read;
  };
  let next = start();
  try {
    while (next) {
      const piece: Uint8Array = await next;
      next = start();
      // Whoever waits for it gets the error; that nobody may wait is no defect.
      next?.catch(() => undefined);
      hash.update(piece);
      yield piece;
    }
  } finally {
    await next?.catch(() => undefined);
    spare.push(areas);
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

function jsonOf(bytes: Uint8Array, path: string): Value {
  const refuse = (what: string, cause?: unknown): never => {
    throw new FormatError("schema", `${path} ${what}`, path, { cause });
  };
  return plainValue(parseJson(bytes, refuse).value, path);
}

/** JSON without null, booleans and reals is a plain value; the schema judges the rest. */
function plainValue(json: unknown, at: string): Value {
  if (typeof json === "string" || typeof json === "number") return json;
  if (Array.isArray(json)) return json.map((item, i) => plainValue(item, `${at}[${i}]`));
  if (typeof json !== "object" || json === null)
    throw new FormatError("schema", `${at}: ${JSON.stringify(json)} is not allowed`, at);
  return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, plainValue(item, `${at}.${key}`)]));
}
