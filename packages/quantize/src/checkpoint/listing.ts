/** The files of a checkpoint's folder, and which of them are its weights. */
import type { BigIntStats } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { openFileSource } from "@s7l/format/file";
import { QuantizeError } from "../errors.ts";
import { readSafetensors, type StoredTensor } from "./safetensors.ts";

/** Files of a folder with a checkpoint in it; more is another folder, such as a home. */
const MAX_FILES = 1 << 17;
const MAX_DEPTH = 4;

/** A file of a checkpoint. */
export interface ListedFile {
  /** From the checkpoint's folder, with forward slashes. */
  readonly name: string;
  readonly path: string;
  readonly size: number;
  /** Changes whenever the file does: size, inode and time of change, as the file system gives them. */
  readonly stamp: string;
}

/** A folder's files, ascending by name. */
export interface Listing {
  readonly folder: string;
  readonly files: readonly ListedFile[];
  /** Names that are neither a file nor a folder, such as a link to nothing. */
  readonly broken: readonly string[];
}

/**
 * Lists a folder and the folders in it. Names that begin with a dot are left out: caches and half-written files. Throws
 * QuantizeError `checkpoint` where the folder cannot be read, or nests deeper than a checkpoint does.
 */
export async function listCheckpoint(folder: string): Promise<Listing> {
  const files: ListedFile[] = [];
  const broken: string[] = [];
  const walk = async (prefix: string, depth: number): Promise<void> => {
    for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
      if (entry.name.startsWith(".")) continue;
      const name = prefix + entry.name;
      const path = join(folder, name);
      if (entry.isDirectory()) {
        if (depth === MAX_DEPTH)
          throw new QuantizeError(
            "checkpoint",
            `${path} lies more than ${MAX_DEPTH} folders deep in ${folder}, as nothing of a checkpoint does; move it out`,
            path,
          );
        await walk(`${name}/`, depth + 1);
        continue;
      }
      // A link counts as the file it leads to: the Hub's cache is made of links.
      const found = await stat(path, { bigint: true }).catch(() => undefined);
      if (found?.isFile()) files.push({ name, path, size: Number(found.size), stamp: stampOf(found) });
      else broken.push(name);
      if (files.length > MAX_FILES)
        throw new QuantizeError(
          "checkpoint",
          `${folder} holds more than ${MAX_FILES} files; is it a checkpoint?`,
          folder,
        );
    }
  };
  try {
    await walk("", 0);
  } catch (cause) {
    if (cause instanceof QuantizeError) throw cause;
    throw new QuantizeError("checkpoint", `${folder} is not a folder that can be read: ${reasonOf(cause)}`, folder, {
      cause,
    });
  }
  files.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { folder, files, broken: broken.sort() };
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOENT") return "there is none of that name";
  if (code === "ENOTDIR") return "it is a file";
  return cause instanceof Error ? cause.message : String(cause);
}

const stampOf = ({ size, ino, ctimeNs }: BigIntStats): string => `${size}-${ino}-${ctimeNs}`;

/** `model-00001-of-00128.safetensors`: its number and of how many. */
export function shardNumber(name: string): { readonly number: number; readonly of: number } | undefined {
  const match = /^model-(\d{5})-of-(\d{5})\.safetensors$/.exec(name);
  return match ? { number: Number(match[1]), of: Number(match[2]) } : undefined;
}

/** A folder that holds weights: the checkpoint's own, or one of S7's trunk and experts (seed 001 §5). */
export interface WeightFolder {
  /** The checkpoint's. */
  readonly folder: string;
  /** "" or, for instance, "trunk_final/". */
  readonly prefix: string;
  /** Its own files, by their names within it. */
  readonly files: ReadonlyMap<string, ListedFile>;
  readonly config: "needed" | "optional";
}

/** Where the weights of a checkpoint lie. */
export function weightFolders({ folder, files }: Listing): readonly WeightFolder[] {
  const within = (prefix: string): ReadonlyMap<string, ListedFile> =>
    new Map(
      files.flatMap((file) => {
        const rest = file.name.slice(prefix.length);
        return file.name.startsWith(prefix) && !rest.includes("/") ? [[rest, file] as const] : [];
      }),
    );
  const own = within("");
  const parts = new Set(files.flatMap(({ name }) => /^(trunk_final|expert\d+_final)\//.exec(name)?.[0] ?? []));
  if (own.has("config.json") || !parts.has("trunk_final/"))
    return [{ folder, prefix: "", files: own, config: "needed" }];
  return [...parts].sort().map((prefix) => ({
    folder,
    prefix,
    files: within(prefix),
    config: prefix === "trunk_final/" ? "needed" : "optional",
  }));
}

/** The safetensors files that make a folder's weights: one file, or numbered shards. */
export function weightFilesOf({ files }: WeightFolder): readonly ListedFile[] {
  const single = files.get("model.safetensors");
  if (single) return [single];
  return [...files].flatMap(([name, file]) => (shardNumber(name) ? [file] : []));
}

/** A tensor as a header describes it. */
export type HeaderTensor = Omit<StoredTensor, "source">;

/** Reads the header of one file and closes it: 100,000 tensors need no open file each. */
export async function readHeader(file: ListedFile): Promise<readonly HeaderTensor[]> {
  const source = await openFileSource(await realpath(file.path));
  try {
    return (await readSafetensors(source, file.name)).map(({ source: _, ...tensor }) => tensor);
  } finally {
    await source.close();
  }
}
