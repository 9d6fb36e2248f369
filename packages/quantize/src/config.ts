/**
 * Reading a model's config.json: every accessor checks what it takes and names the key that is wrong. `or` is the value that
 * the family's own code gives to an absent key (null counts as absent, but where {@link isNull} is asked); without it the key must be there.
 */
import { MAX_LAYERS } from "@s7l/format";
import { QuantizeError } from "./errors.ts";
import { isObject, type Json, type JsonObject } from "./json.ts";

/** A map of a config, with its place for errors, such as `config.json` or `config.json: rope_scaling`. */
export interface Config {
  readonly place: string;
  readonly values: JsonObject;
}

/** One key, or several names of the same thing, of which the first present counts. */
export type Key = string | readonly string[];

const named = (key: Key): string => (typeof key === "string" ? key : key.join(" or "));

/** Throws the error that every accessor throws. */
export function refuseConfig(config: Config, message: string): never {
  throw new QuantizeError("config", `${config.place} ${message}`, config.place);
}

/** The value of a key, or undefined where it is absent or null. */
export function lookUp({ values }: Config, key: Key): Json | undefined {
  for (const name of typeof key === "string" ? [key] : key) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

/** Whether a key is there with the value null, where a family tells that from an absent key. */
export const isNull = ({ values }: Config, key: string): boolean => Object.hasOwn(values, key) && values[key] === null;

function required(config: Config, key: Key): Json {
  return lookUp(config, key) ?? refuseConfig(config, `lacks the key ${named(key)}, which this family needs`);
}

function wrong(config: Config, key: Key, value: Json, expected: string): never {
  return refuseConfig(config, `has ${named(key)} = ${JSON.stringify(value)?.slice(0, 80)}; expected ${expected}`);
}

/** Above every real size, and low enough that a product of two stays exact. */
const MAX_COUNT = 1 << 24;

/** An integer from `min` (1) to `max`. */
export function count(
  config: Config,
  key: Key,
  { or, min = 1, max = MAX_COUNT }: { readonly or?: number; readonly min?: number; readonly max?: number } = {},
): number {
  const value = lookUp(config, key) ?? or ?? required(config, key);
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max)
    return wrong(config, key, value, `an integer from ${min} to ${max}`);
  return value;
}

/** Layers of a stack; bounded before anything of that length is made. */
export const layerCount = (config: Config, key: Key): number => count(config, key, { max: MAX_LAYERS });

/** Beyond these no config means what it says, and elementary functions in big integers grow without bound. */
const SMALLEST_REAL = 1e-15;
const LARGEST_REAL = 1e15;

/** A number from `min` (1e-15) to 1e15. */
export function real(
  config: Config,
  key: Key,
  { or, min = SMALLEST_REAL }: { readonly or?: number; readonly min?: number } = {},
): number {
  const value = lookUp(config, key) ?? or ?? required(config, key);
  if (typeof value !== "number" || !(value >= min && value <= LARGEST_REAL))
    return wrong(config, key, value, `a number from ${min} to ${LARGEST_REAL}`);
  return value;
}

/** true or false. */
export function flag(config: Config, key: Key, or?: boolean): boolean {
  const value = lookUp(config, key) ?? or ?? required(config, key);
  if (typeof value !== "boolean") return wrong(config, key, value, "true or false");
  return value;
}

/** A flag that transformers has as true where the key is absent; `null` is None, which is false in Python. */
export const flagOrNone = (config: Config, key: string): boolean => flag(config, key, !isNull(config, key));

/** One of some words, mapped to what it means here. Another word is `unsupported`. */
export function choice<T>(config: Config, key: Key, meanings: Readonly<Record<string, T>>, or?: string | undefined): T {
  const value = lookUp(config, key) ?? or ?? required(config, key);
  const meaning = typeof value === "string" && Object.hasOwn(meanings, value) ? meanings[value] : undefined;
  if (meaning !== undefined) return meaning;
  const known = Object.keys(meanings).join(", ");
  const message = `${config.place} has ${named(key)} = ${JSON.stringify(value)}; supported: ${known}`;
  throw new QuantizeError("unsupported", message, `${config.place}: ${named(key)}`);
}

/** A map within a map. */
export function table(config: Config, key: Key): Config {
  const value = required(config, key);
  if (!isObject(value)) return wrong(config, key, value, "a map");
  return { place: `${config.place}: ${named(key)}`, values: value };
}

/** A list, each item checked by the caller; at most 4096 items. */
export function list(config: Config, key: Key): readonly Json[] | undefined {
  const value = lookUp(config, key);
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length > 4096) return wrong(config, key, value, "a list of at most 4096 items");
  return value;
}

/** `whole / parts`, which must divide; `what` is what that gives. */
export function share(config: Config, whole: number, parts: number, what: string): number {
  if (whole % parts !== 0) refuseConfig(config, `gives no ${what}: ${whole} is not a multiple of ${parts}`);
  return whole / parts;
}

/** Refuses a config that asks for what no fold can say. */
export function refuseIf(condition: boolean, config: Config, message: string): void {
  if (condition) throw new QuantizeError("unsupported", `${config.place} ${message}`, config.place);
}
