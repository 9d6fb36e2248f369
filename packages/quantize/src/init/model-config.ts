/**
 * The config that a word on a command line means: a file (config.json or an Axolotl YAML), a checkpoint's folder, or the name of
 * a config that is shipped.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { readRegularFile } from "../checkpoint/checkpoint-file.ts";
import type { Config } from "../config.ts";
import { QuantizeError } from "../errors.ts";
import { type JsonObject, parseJsonObject } from "../json.ts";
import { readAxolotl } from "./axolotl.ts";

export interface ModelConfig {
  readonly config: Config;
  /** A seed that the file gives. */
  readonly seed?: number;
  /** Keys of a YAML that were not used. */
  readonly unused: readonly string[];
}

/** A config beyond this is not one. */
const MAX_CONFIG = 1 << 24;

/** Reads a config. `shipped` is the folder of named configs. Throws QuantizeError `checkpoint`, `config` or `unsupported`. */
export async function readModelConfig(word: string, shipped?: string): Promise<ModelConfig> {
  const path = await findConfig(word, process.cwd(), shipped);
  return extname(path) === ".json" ? readJson(path) : readYaml(path, shipped);
}

/** Names of the configs in a folder, which is a package: its package.json is none. */
export async function configNames(shipped: string): Promise<readonly string[]> {
  const names = await readdir(shipped);
  return names
    .filter((name) => name.endsWith(".json") && name !== "package.json")
    .map((name) => basename(name, ".json"))
    .sort();
}

async function readJson(path: string): Promise<ModelConfig> {
  return {
    config: { place: basename(path), values: parseJsonObject(await readConfigFile(path), path, "config") },
    unused: [],
  };
}

async function readYaml(path: string, shipped: string | undefined): Promise<ModelConfig> {
  const text = new TextDecoder().decode(await readConfigFile(path));
  const { base, values, seed, unused } = readAxolotl(text, path);
  let start: JsonObject = {};
  if (base !== undefined) {
    // A repository of the Hub cannot be told from a path by its looks; what is not here is not fetched.
    const found = await findConfig(base, dirname(path), shipped).catch((cause: unknown) => {
      const message = `${path} starts from ${base}, which is neither here nor a shipped config; fetch its config.json and name that`;
      throw new QuantizeError("checkpoint", message, base, { cause });
    });
    if (extname(found) !== ".json")
      throw new QuantizeError("config", `${path} starts from ${base}, which is no config.json`, base);
    start = (await readJson(found)).config.values;
  }
  return {
    config: { place: basename(path), values: { ...start, ...values } },
    ...(seed === undefined ? {} : { seed }),
    unused,
  };
}

async function findConfig(word: string, folder: string, shipped: string | undefined): Promise<string> {
  const path = resolve(folder, word);
  const kind = await kindOf(path);
  if (kind === "file") {
    if ([".json", ".yml", ".yaml"].includes(extname(path))) return path;
    return refuse(`${word} is neither JSON nor YAML by its name; give a config.json, a .yml, a folder or a name`, word);
  }
  if (kind === "folder") {
    for (const inner of ["config.json", join("trunk_final", "config.json")])
      if ((await kindOf(join(path, inner))) === "file") return join(path, inner);
    return refuse(`${word} is a folder without config.json`, word);
  }
  const names = shipped === undefined ? [] : await configNames(shipped);
  if (shipped !== undefined && names.includes(word)) return join(shipped, `${word}.json`);
  const known = names.length > 0 ? `; shipped configs: ${names.join(", ")}` : "";
  return refuse(`${word} is no file, no folder and no shipped config${known}`, word);
}

function refuse(message: string, at: string): never {
  throw new QuantizeError("checkpoint", message, at);
}

async function kindOf(path: string): Promise<"file" | "folder" | undefined> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch {
    return undefined;
  }
}

const readConfigFile = async (path: string): Promise<Uint8Array> =>
  (await readRegularFile(path, MAX_CONFIG)) ?? refuse(`${path} is no longer there`, path);
