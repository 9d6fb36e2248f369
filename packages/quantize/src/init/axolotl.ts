/**
 * Axolotl's training files (seed 002), as far as they describe a model to be made: `random_init_weights: true` with a config in
 * `model_config`, `overrides_of_model_config`, or a file that `base_model_config` names.
 */
import { Lexer, parseDocument } from "yaml";
import { QuantizeError } from "../errors.ts";
import { isObject, type Json, type JsonObject } from "../json.ts";

/** What an Axolotl file says of the model. */
export interface AxolotlModel {
  /** A config to start from: a path or a name, as written. */
  readonly base?: string;
  /** Keys of the config, over those of `base`. */
  readonly values: JsonObject;
  readonly seed?: number;
  /** Keys of the file that have no part in making a model, in the file's order. */
  readonly unused: readonly string[];
}

/** Far above any training file; a bound for the aliases of a hostile one. */
const MAX_YAML = 1 << 20;
/** Deeper than any training file nests. */
const DEEPEST = 64;
/** The parser looks through the whole file for each. */
const MAX_ALIASES = 100;

const USED = [
  "random_init_weights",
  "model_config",
  "overrides_of_model_config",
  "base_model_config",
  "seed",
  "model_type",
  "bf16",
  "fp16",
  "torch_dtype",
];

/** Reads an Axolotl file. Throws QuantizeError `config` with what is wrong and `unsupported` where it makes no model. */
export function readAxolotl(text: string, place: string): AxolotlModel {
  const document = parseYaml(text, place);
  const refuse = (message: string): never => {
    throw new QuantizeError("config", `${place} ${message}`, place);
  };
  if (document.random_init_weights !== true) {
    const message = `${place} does not say random_init_weights: true, so its weights are those of base_model; init makes random ones`;
    throw new QuantizeError("unsupported", message, `${place}: random_init_weights`);
  }
  const table = (key: string): JsonObject => {
    const value = document[key] ?? {};
    return isObject(value) ? value : refuse(`has a ${key} that is not a map`);
  };
  const explicit = { ...table("model_config"), ...table("overrides_of_model_config") };
  // Without base_model_config, Axolotl takes the config of base_model; a file that carries a whole config needs neither.
  const complete = "model_type" in explicit;
  const baseKey = document.base_model_config != null ? "base_model_config" : complete ? undefined : "base_model";
  const base = baseKey === undefined ? undefined : document[baseKey];
  if (base !== undefined && base !== null && typeof base !== "string") refuse(`has a ${baseKey} that is not a path`);
  if (typeof base !== "string" && !complete && document.model_type === undefined)
    refuse("names no model: it needs base_model_config, or a model_config with model_type");
  const { seed } = document;
  if (seed !== undefined && seed !== null && (typeof seed !== "number" || !Number.isSafeInteger(seed) || seed < 0))
    refuse("has a seed that is not a whole number");
  const used = baseKey === undefined ? USED : [...USED, baseKey];
  return {
    ...(typeof base === "string" ? { base } : {}),
    ...(typeof seed === "number" ? { seed } : {}),
    values: { ...familyOf(document, base, complete), ...dtypeOf(document), ...explicit },
    unused: Object.keys(document).filter((key) => !used.includes(key)),
  };
}

function parseYaml(text: string, place: string): JsonObject {
  if (text.length > MAX_YAML) throw new QuantizeError("config", `${place} has more than ${MAX_YAML} characters`, place);
  const tooDeep = (): never => {
    throw new QuantizeError("config", `${place} nests more than ${DEEPEST} deep, or holds itself by an alias`, place);
  };
  const { depth, aliases } = measure(text);
  if (depth > DEEPEST) tooDeep();
  if (aliases > MAX_ALIASES)
    throw new QuantizeError("config", `${place} has ${aliases} aliases; ${MAX_ALIASES} are the most`, place);
  const parsed = parseDocument(text, { uniqueKeys: true });
  const [error] = parsed.errors;
  if (error)
    throw new QuantizeError("config", `${place} is not YAML: ${error.message.split("\n")[0]}`, place, { cause: error });
  let value: unknown;
  try {
    value = parsed.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    throw new QuantizeError("config", `${place} repeats itself too often by aliases`, place, { cause });
  }
  const json = toJson(value, DEEPEST, tooDeep);
  if (!isObject(json)) throw new QuantizeError("config", `${place} is not a map of keys`, place);
  return json;
}

/**
 * How many aliases a text has, and how deep it nests at most. The parser calls itself for each level, and an overflow there may end the process. What counts are open
 * brackets and, outside of them, how far a line is indented, by two, and the marks on it that begin a level.
 */
function measure(text: string): { readonly depth: number; readonly aliases: number } {
  let brackets = 0;
  let line = 0;
  let depth = 0;
  let aliases = 0;
  let begun = true;
  for (const lexeme of new Lexer().lex(text)) {
    if (/^\*\S+$/.test(lexeme)) aliases++;
    if (lexeme === "[" || lexeme === "{") brackets++;
    else if (lexeme === "]" || lexeme === "}") brackets = Math.max(0, brackets - 1);
    else if (brackets > 0) continue;
    else if (begun) line = lexeme.trim() === "" ? lexeme.length / 2 : 0;
    if (/^[-?:]$/.test(lexeme)) line++;
    begun = lexeme.endsWith("\n");
    // Neither an empty line nor a comment is a level, however far it is indented.
    if (lexeme.trim() !== "" && !lexeme.startsWith("#")) depth = Math.max(depth, brackets + line);
  }
  return { depth, aliases };
}

/** YAML's values as JSON's: dates and the like become text. What nests deeper than `left` is refused. */
function toJson(value: unknown, left: number, refuse: () => never): Json {
  if (left < 0) refuse();
  if (value === null || value === undefined) return null;
  if (typeof value === "boolean" || typeof value === "number" || typeof value === "string") return value;
  if (Array.isArray(value)) return value.map((item) => toJson(item, left - 1, refuse));
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item, left - 1, refuse)]));
  return String(value);
}

/**
 * The family from a class name (`MixtralForCausalLM` → `mixtral`, `DeepseekV3ForCausalLM` → `deepseek_v3`), where no config names
 * it; Auto classes say nothing.
 */
function familyOf(document: JsonObject, base: Json | undefined, complete: boolean): JsonObject {
  const { model_type: name } = document;
  if (complete || typeof base === "string" || typeof name !== "string" || name.startsWith("Auto")) return {};
  const words = name.replace(/ForCausalLM$/, "").replace(/([a-z0-9])([A-Z])/g, "$1_$2");
  return { model_type: words.toLowerCase() };
}

function dtypeOf({ torch_dtype: dtype, bf16, fp16 }: JsonObject): JsonObject {
  if (typeof dtype === "string") return { torch_dtype: dtype.replace(/^torch\./, "") };
  if (bf16 === true || bf16 === "auto" || bf16 === "full") return { torch_dtype: "bfloat16" };
  return fp16 === true ? { torch_dtype: "float16" } : {};
}
