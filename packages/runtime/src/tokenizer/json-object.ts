/** JSON of a sealed file, before anything of it is known. */
import { parseJson } from "@s7l/format";
import { RuntimeError } from "../errors.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is a map. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The map in a JSON file, which `name` names in errors. Throws RuntimeError `tokenizer` where there is none. */
export function parseJsonObject(file: Uint8Array, name: string): JsonObject {
  const refuse = (what: string, cause?: unknown): never => {
    throw new RuntimeError("tokenizer", `the sealed ${name} ${what}`, "VOCAB", { cause });
  };
  const { value } = parseJson(file, refuse);
  return isObject(value) ? value : refuse("holds no object");
}
