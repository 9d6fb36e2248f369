/**
 * A verb, declared: what it takes, an example, and what it does. `defineVerb` gives `run` the types of its own arguments.
 */
import type { ExitCode } from "./exit.ts";
import type { Progress } from "./progress.ts";
import type { Report } from "./report.ts";

/**
 * `--name` or `--name VALUE`. `texts`: as often as wanted. `list`: also `--name VALUE VALUE …`, which is what the shell makes of braces
 * and globs; so a verb with a list has no positionals.
 */
export interface Flag {
  readonly type: "boolean" | "text" | "integer" | "decimal" | "texts" | "list";
  readonly description: string;
  /** What stands for the value in the help; default VALUE. */
  readonly hint?: string;
  /** One letter, for `-x`. */
  readonly short?: string;
  readonly required?: true;
  /** The words that are allowed. */
  readonly options?: readonly string[];
  /** Bounds of a number, inclusive. */
  readonly min?: number;
  readonly max?: number;
  /** One more that is allowed. */
  readonly also?: number;
}

/** An argument by its place. */
export interface Positional {
  readonly description: string;
  readonly optional?: true;
}

export type Flags = Readonly<Record<string, Flag>>;
export type Positionals = Readonly<Record<string, Positional>>;

interface ValueTypes {
  readonly boolean: boolean;
  readonly text: string;
  readonly integer: number;
  readonly decimal: number;
  readonly texts: readonly string[];
  readonly list: readonly string[];
}
type OptionalValue<F extends Flag> = F extends
  | { readonly required: true }
  | { readonly type: "boolean" | "texts" | "list" }
  ? ValueTypes[F["type"]]
  : ValueTypes[F["type"]] | undefined;

/** The values of a verb's arguments, by name. An absent boolean is false, an absent list empty. */
export type Values<P extends Positionals, F extends Flags> = {
  readonly [K in keyof P]: P[K] extends { readonly optional: true } ? string | undefined : string;
} & { readonly [K in keyof F]: OptionalValue<F[K]> };

/** What a verb works with. */
export interface Context<V> {
  readonly args: V;
  readonly report: Report;
  readonly progress: Progress;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
}

export interface Verb<P extends Positionals = Positionals, F extends Flags = Flags> {
  readonly summary: string;
  /** Whole command lines, for the help. */
  readonly examples: readonly string[];
  readonly positionals: P;
  readonly flags: F;
  // A method, so that verbs of different arguments fit one table; the parser gives each what it declared.
  run(context: Context<Values<P, F>>): Promise<ExitCode>;
}

/** Identity, for inference. */
export function defineVerb<const P extends Positionals, const F extends Flags>(verb: Verb<P, F>): Verb<P, F> {
  return verb;
}
