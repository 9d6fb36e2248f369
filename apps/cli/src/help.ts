/** The help of the command and of each verb. */
import { COMMON, hintOf } from "./arguments.ts";
import type { Ink } from "./ink.ts";
import type { Flags, Verb } from "./verb.ts";
import { VERBS } from "./verbs.ts";

/** `s7l --help`. */
export function mainHelp(ink: Ink, version: string): string {
  const verbs = Object.entries(VERBS).filter(([, { alias }]) => !alias);
  return [
    `${ink.bold("s7l")} ${version}: sealed INT8 language models that anyone can verify, bit-identical everywhere`,
    "",
    ink.bold("usage"),
    "  s7l VERB [ARGUMENTS] [FLAGS]",
    "",
    ink.bold("verbs"),
    ...columns(verbs.map(([name, { summary }]) => [ink.cyan(name), name.length, summary])),
    "",
    "Each verb explains itself: s7l VERB --help. Exit 0: fine; 1: refused, by a rule; 2: usage or I/O.",
  ].join("\n");
}

/** `s7l VERB --help`. */
export function verbHelp(ink: Ink, name: string, verb: Verb): string {
  const places = Object.entries(verb.positionals);
  const all: Flags = { ...verb.flags, ...COMMON };
  const usage = [
    ...places.map(([place, { optional }]) => (optional ? `[${place.toUpperCase()}]` : place.toUpperCase())),
    ...Object.entries(verb.flags).flatMap(([flag, it]) => (it.required ? [`--${flag} ${hintOf(it)}`] : [])),
  ];
  const rows = [
    ...places.map(([place, { description }]): Row => [ink.cyan(place.toUpperCase()), place.length, description]),
    ...Object.entries(all).map(([flag, it]): Row => {
      const value = it.type === "boolean" ? "" : ` ${hintOf(it)}${it.type === "list" ? "…" : ""}`;
      const short = it.short === undefined ? "" : `, -${it.short}`;
      return [
        `${ink.cyan(`--${flag}${short}`)}${value}`,
        flag.length + 2 + short.length + value.length,
        it.description,
      ];
    }),
  ];
  return [
    `${ink.bold(`s7l ${name}`)}: ${verb.summary}`,
    "",
    ink.bold("usage"),
    `  s7l ${[name, ...usage].join(" ")} [FLAGS]`,
    "",
    ink.bold("arguments"),
    ...columns(rows),
    "",
    ink.bold(verb.examples.length > 1 ? "examples" : "example"),
    ...verb.examples.map((example) => `  ${example}`),
  ].join("\n");
}

/** What is shown, its width without colours, and what it means. */
type Row = readonly [shown: string, width: number, meaning: string];

function columns(rows: readonly Row[]): readonly string[] {
  const widest = Math.max(...rows.map(([, width]) => width));
  return rows.map(([shown, width, meaning]) => `  ${shown}${" ".repeat(widest - width + 2)}${meaning}`);
}
