/** JSON from a file that nobody vouches for: what JSON.parse takes, less duplicate keys. */
import { parseJson } from "@s7l/format";
import { QuantizeError, type QuantizeErrorCode } from "./errors.ts";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

/** Whether a value is a map. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses UTF-8 JSON whose outermost value is a map. `place` names the file in errors, which carry `code`. */
export function parseJsonObject(bytes: Uint8Array, place: string, code: QuantizeErrorCode = "checkpoint"): JsonObject {
  const refuse = (what: string, cause?: unknown): never => {
    throw new QuantizeError(code, `${place} ${what}`, place, { cause });
  };
  const parsed = parseJson(bytes, refuse);
  // JSON is what parsing it gives.
  const value = parsed.value as Json;
  if (!isObject(value)) return refuse("is JSON, but not a map");
  const twice = duplicateKey(parsed.text);
  return twice === undefined ? value : refuse(`holds the key ${twice} twice in one map`);
}

/**
 * The first key that stands twice in one map. JSON.parse silently takes the last, other readers the first, so such a file
 * means two things. The text must be valid JSON.
 */
function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case "{":
        open.push(new Set());
        break;
      case "[":
        open.push(undefined);
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case '"': {
        const start = i;
        for (i++; text[i] !== '"'; i++) if (text[i] === "\\") i++;
        let after = i + 1;
        while (/\s/.test(text[after] ?? "")) after++;
        if (text[after] !== ":") break;
        const key = text.slice(start, i + 1);
        const spelled: string = key.includes("\\") ? JSON.parse(key) : key.slice(1, -1);
        const keys = open.at(-1);
        if (keys?.has(spelled)) return JSON.stringify(spelled);
        keys?.add(spelled);
        break;
      }
    }
  }
  return undefined;
}
