/**
 * A command line held to what its verb declares. Nothing is guessed: an unknown flag, a missing value, a second value or a
 * stray word is a usage error that names the nearest thing that would be right.
 */
import { parseArgs } from "node:util";
import { refuseUsage } from "./errors.ts";
import { nearestWord } from "./suggestion.ts";
import type { Flag, Flags, Positionals, Values } from "./verb.ts";

type Value = string | number | boolean | readonly string[] | undefined;

/** The flags of every verb. */
export const COMMON = {
  json: { type: "boolean", description: "one JSON object on stdout, and nothing else" },
  quiet: { type: "boolean", short: "q", description: "the result alone: no commentary, no progress" },
  help: { type: "boolean", short: "h", description: "this help" },
} as const satisfies Flags;

/**
 * Parses the words after a verb. Throws CliError `usage`. With `--help` nothing else is required; then the values are not complete.
 */
export function parseArguments<P extends Positionals, F extends Flags>(
  words: readonly string[],
  declared: { readonly positionals: P; readonly flags: F },
): { readonly help: boolean; readonly values: Values<P, F> } {
  const flags: Flags = { ...declared.flags, ...COMMON };
  const found = new Map<string, string[]>();
  const places: string[] = [];
  /** The list flag whose values may still go on. */
  let open: string[] | undefined;
  for (const token of tokensOf(words, flags)) {
    if (token.kind === "positional") {
      (open ?? places).push(token.value);
      continue;
    }
    open = undefined;
    if (token.kind === "option-terminator") continue;
    const { name, rawName, value } = token;
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (!flag) return refuseUnknown(rawName, flags);
    if (flag.type === "boolean") {
      if (value !== undefined) refuseUsage(`${rawName} takes no value`);
      const word = words[token.index];
      if (word !== rawName) refuseUsage(`${word} is more than one flag: write ${rawName} and the rest apart`);
      found.set(name, []);
      continue;
    }
    if (value === undefined || (!token.inlineValue && isFlag(value, flags)))
      return refuseUsage(`${rawName} needs a value: ${rawName} ${hintOf(flag)}`);
    const known = found.get(name);
    if (known && flag.type !== "list" && flag.type !== "texts") refuseUsage(`${rawName} is given twice`);
    const values = known ?? [];
    values.push(value);
    found.set(name, values);
    if (flag.type === "list" && !token.inlineValue) open = values;
  }
  const values = { ...placesOf(places, declared.positionals, found), ...flagsOf(found, flags) };
  // Each value was parsed as its own declaration says: this is the one place where that becomes a type.
  return { help: found.has("help"), values: values as Values<P, F> };
}

/** What stands for a flag's value in a sentence. */
export const hintOf = ({ hint, options }: Flag): string => options?.join("|") ?? hint ?? "VALUE";

function tokensOf(words: readonly string[], flags: Flags) {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { type, short }]) => [
      name,
      {
        type: type === "boolean" ? ("boolean" as const) : ("string" as const),
        ...(short === undefined ? {} : { short }),
      },
    ]),
  );
  return parseArgs({ args: [...words], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

/** Whether nobody means a word for a value: so `-q` before `--` is always the flag, as `main` takes it before it knows the others. */
function isFlag(word: string, flags: Flags): boolean {
  const [name = ""] = word.replace(/^--/, "").split("=");
  const long = word.startsWith("--") && Object.hasOwn(flags, name);
  return long || word === "--" || Object.values(flags).some(({ short }) => short !== undefined && word === `-${short}`);
}

function refuseUnknown(rawName: string, flags: Flags): never {
  const word = rawName.replace(/^-+/, "");
  // A letter begins many flags; of other tools it is another word's than the nearest here.
  const near = word.length < 2 ? undefined : nearestWord(word, Object.keys(flags));
  refuseUsage(
    `there is no flag ${rawName}${near === undefined ? "; --help lists the flags" : `; did you mean --${near}?`}`,
  );
}

function placesOf(
  words: readonly string[],
  positionals: Positionals,
  found: ReadonlyMap<string, unknown>,
): Readonly<Record<string, Value>> {
  const names = Object.keys(positionals);
  if (found.has("help")) return {};
  const stray = words[names.length];
  if (stray !== undefined) {
    const taken = names.map((name) => `${name.toUpperCase()} and `).join("");
    refuseUsage(`${JSON.stringify(stray)} is one argument too many; this takes ${taken}flags, which --help lists`);
  }
  return Object.fromEntries(
    names.map((name, i) => {
      const word = words[i];
      if (word === undefined && !positionals[name]?.optional)
        refuseUsage(`${name.toUpperCase()} is missing: ${positionals[name]?.description}`);
      return [name, word];
    }),
  );
}

function flagsOf(found: ReadonlyMap<string, readonly string[]>, flags: Flags): Readonly<Record<string, Value>> {
  const complete = !found.has("help");
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => {
      const values = found.get(name);
      if (complete && flag.required && !values)
        refuseUsage(`--${name} ${hintOf(flag)} is missing: ${flag.description}`);
      return [name, parseValue(name, flag, values)];
    }),
  );
}

function parseValue(name: string, flag: Flag, values: readonly string[] | undefined): Value {
  if (flag.type === "boolean") return values !== undefined;
  if (flag.type === "list" || flag.type === "texts") return values ?? [];
  const word = values?.[0];
  if (word === undefined) return undefined;
  if (flag.options && !flag.options.includes(word)) {
    const near = nearestWord(word, flag.options);
    refuseUsage(
      `--${name} ${word} is unknown; ${near === undefined ? `use one of ${flag.options.join(", ")}` : `did you mean ${near}?`}`,
    );
  }
  if (flag.type === "text") return word;
  const pattern = flag.type === "integer" ? /^-?\d{1,16}$/ : /^-?\d{1,15}(\.\d{1,15})?$/;
  const number = Number(word);
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER, also } = flag;
  if (!pattern.test(word) || (number !== also && (number < min || number > max))) {
    const range = `${flag.type === "integer" ? "a whole number" : "a number"} from ${min} to ${max}`;
    refuseUsage(`--${name} ${word} is not ${range}${also === undefined ? "" : `, nor ${also}`}`);
  }
  return number;
}
