/** The files of a checkpoint that say what its tokens are. */
import type { Vocabulary } from "@s7l/format";
import { type Config, lookUp } from "../config.ts";
import { QuantizeError } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";

/** As read from the folder; each may be absent. */
export interface VocabularyFiles {
  /** tokenizer.json, byte for byte. */
  readonly tokenizer?: Uint8Array;
  /** vocab.json where it is the whole vocabulary (no tokenizer.json, no merges.txt). */
  readonly vocab?: Uint8Array;
  /** chat_template.jinja. */
  readonly chatTemplate?: string;
  readonly tokenizerConfig?: JsonObject;
  readonly generationConfig?: JsonObject;
}

/** A vocabulary, and what was left out of it, in sentences. */
export interface LoadedVocabulary {
  readonly vocabulary: Vocabulary;
  readonly notes: readonly string[];
}

/**
 * What is sealed of the vocabulary. Special ids come from generation_config.json, then config.json, then `eos`; those outside
 * the vocabulary, which cut-down models inherit from their parents, are left out and noted.
 */
export function vocabularyOf(
  files: VocabularyFiles,
  config: Config,
  size: number,
  eos: readonly number[],
): LoadedVocabulary {
  const configs: readonly Config[] = [
    ...(files.generationConfig ? [{ place: "generation_config.json", values: files.generationConfig }] : []),
    config,
  ];
  const notes: string[] = [];
  const inside = (id: number, key: string): boolean => {
    if (id < size) return true;
    notes.push(`${key} ${id} is outside the vocabulary of ${size} and is left out`);
    return false;
  };
  const ids = (key: string): readonly number[] | undefined => {
    for (const from of configs) {
      const value = lookUp(from, key);
      if (value !== undefined) return idsOf(from, key, value).filter((id) => inside(id, key));
    }
    return undefined;
  };
  const [bos] = ids("bos_token_id") ?? [];
  const template = files.chatTemplate ?? templateOf(files.tokenizerConfig);
  const vocabulary: Vocabulary = {
    ...(files.tokenizer ? { tokenizer: files.tokenizer } : {}),
    ...(files.vocab ? { vocab: files.vocab } : {}),
    // transformers takes an empty one for none.
    ...(template ? { chatTemplate: template } : {}),
    ...(bos === undefined ? {} : { bos }),
    eos: [...new Set(ids("eos_token_id") ?? eos)].sort((a, b) => a - b),
  };
  return { vocabulary, notes };
}

function idsOf(config: Config, key: string, value: Json): readonly number[] {
  const ids: readonly Json[] = Array.isArray(value) ? value : [value];
  return ids.map((id) => {
    if (typeof id === "number" && Number.isSafeInteger(id) && id >= 0 && ids.length <= 64) return id;
    const message = `${config.place} has ${key} = ${JSON.stringify(value)?.slice(0, 80)}; expected a token id or a list of at most 64`;
    throw new QuantizeError("config", message, config.place);
  });
}

/** tokenizer_config.json holds one template, or a list of named ones of which `default` is meant. */
function templateOf(config: JsonObject | undefined): string | undefined {
  const value = config?.chat_template;
  if (typeof value === "string") return value;
  const found = Array.isArray(value) ? value.find((entry) => isObject(entry) && entry.name === "default") : undefined;
  return isObject(found) && typeof found.template === "string" ? found.template : undefined;
}
