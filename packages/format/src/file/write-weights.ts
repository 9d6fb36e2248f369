/**
 * Writes a weights folder, and goes on where an earlier run was killed. What is not finished lies under names that begin with a dot and
 * carry the hash of all that decides on the bytes, so that a run takes up nothing but its own.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { FormatError } from "../errors.ts";
import type { PlannedTensor } from "../fold/tensor-plan.ts";
import { createSha256, sha256, toHex } from "../hash.ts";
import { largestFirst, workInLanes } from "../lanes.ts";
import type { WeightSource } from "../weights.ts";
import { createFileSink, type FileSink } from "./file-sink.ts";
import { FILES, type Folder, type PlacedSpan, placeSpans } from "./weights-folder.ts";
import { appendJournal, readJournal, type WrittenTensor } from "./weights-journal.ts";
import { folderFailure } from "./write-failure.ts";
import { writeFileWhole } from "./write-file-whole.ts";

/** How a weights folder is written. */
export interface WriteWeightsOptions {
  /** What the weights are made from, as a hash: a run that was killed is gone on with only from the same; without it, never. */
  readonly source?: Uint8Array;
  /** Tensors in flight. Default 1. */
  readonly concurrency?: number;
  /** Milliseconds between two notes of what is finished: what a kill may cost. Default 5000. */
  readonly saveEvery?: number;
  /** Called after each tensor, with bytes of the spans. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
  /** What there is to say of a tensor whose span was read, as JSON. */
  readonly note?: (tensor: PlannedTensor) => unknown;
  /** The report, made of the notes in the plan's order. */
  readonly report?: (notes: readonly unknown[]) => unknown;
  /** The last thing before the folder is whole; what it throws refuses it. */
  readonly accept?: () => Promise<void>;
}

/** What was written. */
export interface WrittenWeights {
  /** The notes of all tensors in the plan's order, as they came back from JSON. */
  readonly notes: readonly unknown[];
  /** Tensors that an earlier run had finished. */
  readonly resumed: number;
}

const SAVE_EVERY = 5000;
/** Bytes of a span that are read at once to be checked. */
const PIECE = 1 << 20;

/**
 * Writes a weights folder, making the folder where it is missing. The same weights give the same bytes, also where runs were killed on
 * the way. Throws FormatError `io` or `content`, or whatever the weights throw; the folder then has no new file but, after some seconds
 * of work, what the next run goes on from.
 */
export async function writeWeights(
  folder: string,
  weights: WeightSource,
  options: WriteWeightsOptions = {},
): Promise<WrittenWeights> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw folderFailure(cause, folder);
  });
  await assertNotTaken(folder);
  const spans = placeSpans(weights.fold);
  const name = unfinishedName(weights, options.source);
  const journal = join(folder, `${name}.journal`);
  const known = await readJournal(journal);
  const data = await createFileSink(join(folder, FILES.data), { mode: 0o644, partial: join(folder, `${name}.part`) });
  let saved = data.size() > 0;
  try {
    const written = await keepWhole(spans, known, data, options.signal);
    const resumed = written.size;
    const news: WrittenTensor[] = [];
    let savedAt = performance.now();
    const save = async (): Promise<void> => {
      const lines = news.splice(0);
      savedAt = performance.now();
      if (lines.length === 0) return;
      saved = true;
      await appendJournal(journal, lines);
    };
    const missing = spans.filter(({ tensor }) => !written.has(tensor.name));
    const total = spans.reduce((sum, { length }) => sum + length, 0);
    let done = total - missing.reduce((sum, { length }) => sum + length, 0);
    try {
      const lanes = options.concurrency ?? 1;
      await workInLanes(largestFirst(missing, lanes), lanes, async (span) => {
        options.signal?.throwIfAborted();
        const tensor = await writeSpan(weights, span, data, options);
        written.set(tensor.name, tensor);
        news.push(tensor);
        done += span.length;
        options.onProgress?.(done, total);
        if (performance.now() - savedAt >= (options.saveEvery ?? SAVE_EVERY)) await save();
      });
    } catch (error) {
      if (saved) await save();
      throw error;
    }
    await options.accept?.();
    const finished = spans.flatMap(({ tensor }) => {
      const entry = written.get(tensor.name);
      return entry ? [{ tensor, entry }] : [];
    });
    const notes = finished.map(({ entry }) => entry.note);
    await finish(folder, weights, finished, data, options.report?.(notes));
    await removeUnfinished(folder, name);
    return { notes, resumed };
  } finally {
    if (saved) await data.suspend();
    else {
      await data.abort();
      await rm(journal, { force: true });
    }
  }
}

/**
 * A checkpoint has files of our names too, and one slip would write over its tokenizer. Files of those names are ours where an earlier run left
 * more than them.
 */
async function assertNotTaken(folder: string): Promise<void> {
  const names = await readdir(folder);
  const ours = names.some((name) => name === FILES.index || name === FILES.data || name.startsWith(UNFINISHED));
  const named: readonly string[] = Object.values(FILES);
  const taken = names.find(
    (name) => name === "config.json" || name.endsWith(".safetensors") || (!ours && named.includes(name)),
  );
  if (taken !== undefined)
    throw new FormatError("io", `${folder} holds a ${taken} that is not of our making; give another folder`, folder);
}

/** How an unfinished folder's files begin. */
const UNFINISHED = ".weights-";

/** What an unfinished folder's files are called; without a source, a name that no other run has. */
function unfinishedName(weights: WeightSource, source: Uint8Array | undefined): string {
  if (!source) return `${UNFINISHED}${randomBytes(8).toString("hex")}`;
  const { fold, lexical, meta } = weights;
  const plan = encodeJson({ fold, lexical, meta, vocabulary: vocabularyOf(weights), source: toHex(source) });
  return `${UNFINISHED}${toHex(sha256(plan)).slice(0, 16)}`;
}

/** The tensors of a journal whose spans are what it says. */
async function keepWhole(
  spans: readonly PlacedSpan[],
  known: ReadonlyMap<string, WrittenTensor>,
  data: FileSink,
  signal: AbortSignal | undefined,
): Promise<Map<string, WrittenTensor>> {
  const whole = new Map<string, WrittenTensor>();
  for (const { tensor, offset, length } of spans) {
    const written = known.get(tensor.name);
    if (!written || offset + length > data.size()) continue;
    const hash = createSha256();
    for (let at = 0; at < length; at += PIECE) {
      signal?.throwIfAborted();
      hash.update(await data.read(offset + at, Math.min(PIECE, length - at)));
    }
    if (toHex(hash.digest()) === written.span) whole.set(tensor.name, written);
  }
  return whole;
}

async function writeSpan(
  weights: WeightSource,
  { tensor, offset, length }: PlacedSpan,
  data: FileSink,
  { signal, note }: WriteWeightsOptions,
): Promise<WrittenTensor> {
  const entry = (span: Uint8Array): WrittenTensor => {
    const said = note?.(tensor);
    return {
      name: tensor.name,
      source: toHex(weights.sourceDigest(tensor)),
      span: toHex(span),
      // As it comes back from a journal, so that a run that went on reports no other numbers.
      ...(said === undefined ? {} : { note: JSON.parse(JSON.stringify(said)) }),
    };
  };
  const { path, descriptor, written: noteWritten } = data.direct;
  const direct = await weights.writeSpan?.(tensor, { path, descriptor, offset }, signal);
  if (direct) {
    noteWritten(offset, length);
    return entry(direct);
  }
  const hash = createSha256();
  const refuse = (bytes: string): never => {
    throw new FormatError(
      "content",
      `tensor "${tensor.name}" came with ${bytes} bytes; its shape gives ${length}`,
      tensor.name,
    );
  };
  let at = 0;
  for await (const piece of weights.span(tensor)) {
    signal?.throwIfAborted();
    // Before it is written: what stands behind it is another tensor's.
    if (piece.length > length - at) refuse(`more than ${at + piece.length - 1}`);
    const written = data.write(offset + at, piece);
    hash.update(piece);
    await written;
    at += piece.length;
  }
  if (at !== length) refuse(String(at));
  return entry(hash.digest());
}

/** Everything gets its name, weights.json last. */
async function finish(
  folder: string,
  weights: WeightSource,
  finished: readonly { readonly tensor: PlannedTensor; readonly entry: WrittenTensor }[],
  data: FileSink,
  report: unknown,
): Promise<void> {
  const { tokenizer, vocab } = weights.vocabulary;
  if (tokenizer) await writeFileWhole(join(folder, FILES.tokenizer), tokenizer);
  if (vocab) await writeFileWhole(join(folder, FILES.vocab), vocab);
  if (report !== undefined) await writeFileWhole(join(folder, FILES.report), encodeJson(report));
  await data.commit();
  const index: Folder = {
    format: "s7l-weights",
    version: 1,
    fold: weights.fold,
    ...(weights.lexical ? { lexical: weights.lexical } : {}),
    vocabulary: vocabularyOf(weights),
    meta: weights.meta,
    tensors: finished.map(({ tensor, entry: { source, span } }) => {
      const { method, sources } = weights.origin(tensor);
      return { name: tensor.name, method, sources, source, span };
    }),
  };
  await writeFileWhole(join(folder, FILES.index), encodeJson(index));
}

function vocabularyOf({ vocabulary: { tokenizer, vocab, ...rest } }: WeightSource): Folder["vocabulary"] {
  return {
    ...rest,
    ...(tokenizer ? { tokenizer: toHex(sha256(tokenizer)) } : {}),
    ...(vocab ? { vocab: toHex(sha256(vocab)) } : {}),
  };
}

const encodeJson = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, undefined, 1)}\n`);

/** Removes what killed runs left under temporary names: of the same weights, and of the small files. */
async function removeUnfinished(folder: string, name: string): Promise<void> {
  const temporary = Object.values(FILES).map((file) => `.${file}.`);
  for (const found of await readdir(folder)) {
    const isOwn = found.startsWith(`${name}.`);
    if (!isOwn && !(found.endsWith(".part") && temporary.some((start) => found.startsWith(start)))) continue;
    await rm(join(folder, found), { force: true });
  }
}
