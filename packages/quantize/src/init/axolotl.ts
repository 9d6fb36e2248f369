/**
 * Axolotl's training files (seed 002), as far as they describe a model to be made: `random_init_weights: true` with a config in
 * `model_config`, `overrides_of_model_config`, or a file that `base_model_config` names.
 */
import { parseDocument } from "yaml";
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
  const parsed = parseDocument(text, { uniqueKeys: true });
  const [error] = parsed.errors;
  if (error)
    throw new QuantizeError("config", `${place} is not YAML: ${error.message.split("\n")[0]}`, place, { cause: error });
  let value: unknown;
  try {
    value = parsed.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new QuantizeError("config", `${place} repeats itself too often by aliases`, place, { cause });
  }
  const json = toJson(value);
  if (!isObject(json)) throw new QuantizeError("config", `${place} is not a map of keys`, place);
  return json;
}

/** YAML's values as JSON's: dates and the like become text. */
function toJson(value: unknown): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === "boolean" || typeof value === "number" || typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
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
