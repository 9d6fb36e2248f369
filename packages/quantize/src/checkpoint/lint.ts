/**
 * `lint`: every header of a checkpoint against the rules of safetensors, against the other headers, the index and the config;
 * on request every value against NaN and infinity.
 */
import { realpath } from "node:fs/promises";
import { openFileSource } from "@s7l/format/file";
import { QuantizeError } from "../errors.ts";
import { lowerCheckpoint } from "../lower.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { error, type Finding, isFine, note } from "./findings.ts";
import {
  type HeaderTensor,
  type ListedFile,
  type Listing,
  listCheckpoint,
  readHeader,
  type WeightFolder,
  weightFilesOf,
  weightFolders,
} from "./listing.ts";
import { compareIndex, compareTotal, readShardIndex } from "./shard-index.ts";
import { firstNotFinite } from "./values.ts";

export interface LintOptions {
  /** Reads every value and refuses NaN and infinities. Default: headers alone. */
  readonly values?: boolean;
  /** Bytes of tensor data read so far; with `values` only. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What the headers of a checkpoint say, and what is wrong with that. */
export interface Lint {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  readonly shards: number;
  readonly tensors: number;
  /** Bytes of all tensors. */
  readonly bytes: number;
}

/** The headers of one folder of weights. */
export interface SurveyedFolder {
  readonly folder: WeightFolder;
  readonly files: readonly ListedFile[];
  /** Tensors of all files whose header could be read, file by file. */
  readonly tensors: readonly HeaderTensor[];
  /** About headers that could not. */
  readonly findings: readonly Finding[];
}

/** Reads every header of a checkpoint. */
export async function surveyHeaders(listing: Listing): Promise<readonly SurveyedFolder[]> {
  const surveyed: SurveyedFolder[] = [];
  for (const folder of weightFolders(listing)) {
    const files = weightFilesOf(folder);
    const tensors: HeaderTensor[] = [];
    const findings: Finding[] = [];
    for (const file of files) {
      try {
        for (const tensor of await readHeader(file)) tensors.push(tensor);
      } catch (cause) {
        if (!(cause instanceof QuantizeError)) throw cause;
        findings.push(error("header-broken", cause.at ?? file.name, `${cause.message}.`));
      }
    }
    surveyed.push({ folder, files, tensors, findings });
  }
  return surveyed;
}

/** Lints the checkpoint in a folder. Throws QuantizeError `checkpoint` where the folder cannot be read, FormatError `io` from reads. */
export async function lintCheckpoint(folder: string, options: LintOptions = {}): Promise<Lint> {
  const surveyed = await surveyHeaders(await listCheckpoint(folder));
  const findings: Finding[] = [];
  const fileOf = new Map<string, string>();
  for (const { tensors, ...part } of surveyed) {
    for (const finding of part.findings) findings.push(finding);
    for (const tensor of tensors) {
      findings.push(...lintTensor(tensor));
      const other = fileOf.get(tensor.name);
      if (other !== undefined)
        findings.push(
          error("tensor-twice", tensor.name, `Tensor ${tensor.name} is in ${other} and in ${tensor.file}.`),
        );
      fileOf.set(tensor.name, tensor.file);
    }
    for (const finding of await lintIndex(part.folder, tensors, isFine(part.findings))) findings.push(finding);
  }
  const tensors = surveyed.flatMap((part) => part.tensors);
  if (tensors.length === 0 && isFine(findings))
    findings.push(error("tensor-missing", folder, `${folder} has no safetensors file, so there is nothing to lint.`));
  if (isFine(findings)) findings.push(...(await lintModel(folder)));
  const total = tensors.reduce((sum, { length }) => sum + length, 0);
  if (options.values) for (const finding of await lintValues(surveyed, total, options)) findings.push(finding);
  const shards = surveyed.reduce((sum, { files }) => sum + files.length, 0);
  return { ok: isFine(findings), findings, shards, tensors: tensors.length, bytes: total };
}

/** Bytes of one element, where it has whole ones. */
const WIDTHS: Readonly<Record<string, number>> = {
  F16: 2,
  BF16: 2,
  F32: 4,
  F64: 8,
  I16: 2,
  U16: 2,
  I32: 4,
  U32: 4,
  I64: 8,
  U64: 8,
  C64: 8,
};

function* lintTensor({ name, dtype, offset, file }: HeaderTensor): Generator<Finding, void, undefined> {
  if (/^(F8|F6|F4|I8|U8)/.test(dtype))
    yield error("dtype-unusable", name, `Tensor ${name} in ${file} is ${dtype}: it is quantized already.`);
  else if (!/^(F32|F16|BF16)$/.test(dtype))
    yield note("dtype-unusual", name, `Tensor ${name} in ${file} is ${dtype}, which no weight may be; a buffer may.`);
  const width = WIDTHS[dtype] ?? 1;
  // The format leaves alignment to writers; a reader that maps the file needs it, this one does not.
  if (offset % width !== 0)
    yield note(
      "misaligned",
      name,
      `Tensor ${name} in ${file} begins at byte ${offset}, not at a multiple of ${width}.`,
    );
}

async function lintIndex(
  folder: WeightFolder,
  tensors: readonly HeaderTensor[],
  whole: boolean,
): Promise<readonly Finding[]> {
  const index = await readShardIndex(folder);
  if (!index) return [];
  if ("code" in index) return [index];
  const findings = compareIndex(index, tensors, folder);
  const bytes = tensors.reduce((sum, { length }) => sum + length, 0);
  return whole && findings.length === 0 ? [...findings, ...compareTotal(index, bytes)] : findings;
}

/** The tensors against the config: names, shapes, nothing missing and nothing left over. */
async function lintModel(folder: string): Promise<readonly Finding[]> {
  try {
    const checkpoint = await openCheckpoint(folder);
    try {
      lowerCheckpoint(checkpoint);
    } finally {
      await checkpoint.close();
    }
    return [];
  } catch (cause) {
    if (!(cause instanceof QuantizeError)) throw cause;
    const at = cause.at ?? folder;
    return cause.code === "unsupported"
      ? [note("model-unknown", at, `The model cannot be sealed as it is: ${cause.message}.`)]
      : [error("model-differs", at, `The tensors and config.json do not make a model: ${cause.message}.`)];
  }
}

async function lintValues(
  surveyed: readonly SurveyedFolder[],
  total: number,
  { onProgress, signal }: LintOptions,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  let done = 0;
  for (const { files, tensors } of surveyed) {
    for (const file of files) {
      const source = await openFileSource(await realpath(file.path));
      try {
        for (const tensor of tensors.filter((tensor) => tensor.file === file.name)) {
          signal?.throwIfAborted();
          const bad = await firstNotFinite({ ...tensor, source });
          if (bad)
            findings.push(
              error(
                "value-not-finite",
                tensor.name,
                `Tensor ${tensor.name} in ${file.name} is ${bad.value} at [${bad.index.join(", ")}].`,
              ),
            );
          done += tensor.length;
          onProgress?.(done, total);
        }
      } finally {
        await source.close();
      }
    }
  }
  return findings;
}
