/** JSON of a sealed file, before anything of it is known. */
import { parseJson } from "@s7l/format";
import { RuntimeError } from "../errors.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is a map. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The values of a list; none of what is not one. */
export const listed = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The steps of a part of a tokenizer.json, one after another; `inner` names them in a Sequence. */
export const stepsOf = (part: unknown, inner: "normalizers" | "pretokenizers" | "processors"): readonly JsonObject[] =>
  !isObject(part)
    ? []
    : part.type === "Sequence"
      ? listed(part[inner]).flatMap((step) => stepsOf(step, inner))
      : [part];

/** The map in a JSON file, which `name` names in errors. Throws RuntimeError `tokenizer` where there is none. */
export function parseJsonObject(file: Uint8Array, name: string): JsonObject {
  const refuse = (what: string, cause?: unknown): never => {
    throw new RuntimeError("tokenizer", `the sealed ${name} ${what}`, "VOCAB", { cause });
  };
  const { value } = parseJson(file, refuse);
  return isObject(value) ? value : refuse("holds no object");
}
