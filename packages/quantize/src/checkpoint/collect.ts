/**
 * `collect`: is everything there that a checkpoint needs, and nothing else? Seed 000's structure, from names, sizes and the
 * first eight bytes of each shard; no header is parsed and no tensor read.
 */
import { realpath } from "node:fs/promises";
import { openFileSource } from "@s7l/format/file";
import { MAX_SHARDS } from "./checkpoint.ts";
import { brokenNames, error, type Finding, isFine, note } from "./findings.ts";
import {
  type ListedFile,
  type Listing,
  listCheckpoint,
  shardNumber,
  type WeightFolder,
  weightFolders,
} from "./listing.ts";
import { compareTotal, INDEX_FILE, readShardIndex } from "./shard-index.ts";

export interface CollectOptions {
  /** Bytes that a shard may have. Default: any number. */
  readonly maxShardBytes?: number;
}

/** What a checkpoint consists of, and what is wrong with that. */
export interface Collection {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  readonly files: number;
  readonly shards: number;
  /** Bytes of all files. */
  readonly bytes: number;
}

/** Checks the structure of the checkpoint in a folder. Throws QuantizeError `checkpoint` where the folder cannot be read. */
export async function collectCheckpoint(folder: string, options: CollectOptions = {}): Promise<Collection> {
  const listing = await listCheckpoint(folder);
  const findings: Finding[] = [...unfinished(listing), ...tokenizer(listing)];
  let shards = 0;
  for (const part of weightFolders(listing)) {
    const checked = await checkFolder(part, options);
    for (const finding of checked.findings) findings.push(finding);
    shards += checked.shards.length;
  }
  const bytes = listing.files.reduce((sum, { size }) => sum + size, 0);
  return { ok: isFine(findings), findings, files: listing.files.length, shards, bytes };
}

function unfinished(listing: Listing): readonly Finding[] {
  return [
    ...brokenNames(listing),
    ...listing.files
      .filter(({ name }) => /\.(incomplete|part|partial|tmp|aria2|crdownload)$/.test(name))
      .map(({ name }) => error("download-unfinished", name, `${name} was left by a download that did not finish.`)),
  ];
}

const TOKENIZERS = /(^|\/)(tokenizer\.json|tokenizer\.model|vocab\.json|tiktoken\.model)$/;

function tokenizer({ files }: Listing): readonly Finding[] {
  if (files.some(({ name }) => TOKENIZERS.test(name))) return [];
  return [note("file-missing", "tokenizer.json", "There is no tokenizer: the model will take token ids only.")];
}

async function checkFolder(
  folder: WeightFolder,
  { maxShardBytes = Number.POSITIVE_INFINITY }: CollectOptions,
): Promise<{ readonly findings: readonly Finding[]; readonly shards: readonly ListedFile[] }> {
  const { prefix, files, config } = folder;
  const findings: Finding[] = [];
  if (!files.has("config.json") && config === "needed")
    findings.push(
      error("file-missing", `${prefix}config.json`, `${prefix}config.json is missing: it says what the model is.`),
    );
  if (!files.has("generation_config.json") && prefix === "")
    findings.push(
      note(
        "file-missing",
        "generation_config.json",
        "There is no generation_config.json; config.json says which tokens end a text.",
      ),
    );
  for (const [name, file] of files) {
    if (/\.(bin|pt|pth|ckpt|gguf|h5|msgpack|onnx)$/.test(name))
      findings.push(note("file-extra", file.name, `${file.name} holds weights in another form, which is not read.`));
  }

  const named = weightNames(folder, findings);
  const shards: ListedFile[] = [];
  let tensorBytes = 0;
  for (const name of named) {
    const file = files.get(name);
    if (!file) continue;
    shards.push(file);
    if (file.size > maxShardBytes)
      findings.push(
        error("shard-too-large", file.name, `${file.name} has ${file.size} bytes, above the cap of ${maxShardBytes}.`),
      );
    const data = await dataBytes(file);
    if (typeof data === "number") tensorBytes += data;
    else findings.push(data);
  }

  const index = await readShardIndex(folder);
  if (!index) {
    if (named.some((name) => shardNumber(name)))
      findings.push(
        error(
          "index-missing",
          prefix + INDEX_FILE,
          `${prefix}${INDEX_FILE} is missing: it says which shard holds which tensor.`,
        ),
      );
  } else if ("code" in index) findings.push(index);
  else {
    for (const shard of new Set(index.shardOf.values())) {
      if (!files.has(shard) && !shardNumber(shard))
        findings.push(
          error("shard-missing", prefix + shard, `${prefix}${shard}, which ${index.file.name} names, is missing.`),
        );
    }
    // With a shard missing or torn the sums differ for a reason that is named already.
    if (isFine(findings)) findings.push(...compareTotal(index, tensorBytes));
  }
  return { findings, shards };
}

/** The weight files that should be there; what is missing or does not belong among them is added to `findings`. */
function weightNames({ prefix, files }: WeightFolder, findings: Finding[]): readonly string[] {
  const safetensors = [...files.keys()].filter((name) => name.endsWith(".safetensors"));
  const numbered = safetensors.flatMap((name) => {
    const shard = shardNumber(name);
    return shard ? [{ name, ...shard }] : [];
  });
  const single = safetensors.includes("model.safetensors");
  for (const name of safetensors) {
    if (name !== "model.safetensors" && !shardNumber(name))
      findings.push(
        error(
          "file-extra",
          prefix + name,
          `${prefix}${name} is neither model.safetensors nor named model-XXXXX-of-NNNNN.safetensors.`,
        ),
      );
  }
  if (single) {
    for (const { name } of numbered)
      findings.push(
        error(
          "shard-extra",
          prefix + name,
          `${prefix}${name} stands beside model.safetensors, which is the whole model.`,
        ),
      );
    return ["model.safetensors"];
  }
  const totals = [...new Set(numbered.map(({ of }) => of))];
  const [of] = totals;
  if (of === undefined) {
    const name = `${prefix}model.safetensors`;
    findings.push(error("shard-missing", name, `There are no weights: neither ${name} nor shards of it.`));
    return [];
  }
  if (totals.length > 1) {
    findings.push(
      error(
        "shards-mixed",
        prefix || ".",
        `Shards of ${totals.join(" and of ")} lie together: they come from different revisions.`,
      ),
    );
    return numbered.map(({ name }) => name);
  }
  if (of > MAX_SHARDS) {
    findings.push(
      error("shards-mixed", prefix || ".", `The names speak of ${of} shards; at most ${MAX_SHARDS} are read.`),
    );
    return numbered.map(({ name }) => name);
  }
  for (const { name, number } of numbered) {
    if (number < 1 || number > of)
      findings.push(error("shard-extra", prefix + name, `${prefix}${name} counts beyond its own total of ${of}.`));
  }
  const there = new Set(numbered.map(({ number }) => number));
  for (let first = 1; first <= of; first++) {
    if (there.has(first)) continue;
    let last = first;
    while (last < of && !there.has(last + 1)) last++;
    const name = `${prefix}model-${digits(first)}-of-${digits(of)}.safetensors`;
    const message =
      first === last ? `${name} is missing.` : `${name} is missing, and so is each shard up to ${digits(last)}.`;
    findings.push(error("shard-missing", name, message));
    first = last;
  }
  return numbered.map(({ name }) => name);
}

const digits = (number: number): string => String(number).padStart(5, "0");

/** Bytes of a shard's tensors by its own first eight bytes, or what is wrong with them. */
async function dataBytes(file: ListedFile): Promise<number | Finding> {
  const cut = (why: string): Finding =>
    error("header-broken", file.name, `${file.name} ${why}; it is cut off or no safetensors file.`);
  if (file.size < 8) return cut(`has ${file.size} bytes`);
  const source = await openFileSource(await realpath(file.path));
  try {
    const prefix = await source.read(0, 8);
    const header = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
    const rest = BigInt(file.size) - 8n - header;
    return rest < 0n ? cut(`announces a header of ${header} bytes in ${file.size}`) : Number(rest);
  } finally {
    await source.close();
  }
}
