/** The last step of the demo: a verified model writes, character by character as it comes. */
import { toHex } from "@s7l/format";
import { type Model, openSession, STX } from "@s7l/runtime";
import type { Context } from "./verb.ts";

/** Tokens a prompt. */
const MAX_TOKENS = 32;

export interface DemoText {
  readonly prompt: string;
  readonly text: string;
  readonly ids: readonly number[];
  readonly logitsDigest: string;
  /** The expert of each position. */
  readonly experts: readonly number[];
}

/** Continues a prompt, greedily. */
export async function writeText(
  model: Model,
  prompt: string,
  { report, signal }: Pick<Context<unknown>, "report" | "signal">,
): Promise<DemoText> {
  const { ink } = report;
  const indent = (text: string): string => text.replaceAll("\n", `\n  ${ink.dim("│")} `);
  const session = openSession(model);
  try {
    const body = session.begin(STX);
    const ids: number[] = [];
    let text = "";
    let logitsDigest = "";
    report.tell(`  ${ink.dim("│")} ${ink.dim(prompt.split("\n").join(`\n  │ `))}`);
    const started = performance.now();
    for await (const step of body.generate(prompt, { maxTokens: MAX_TOKENS, signal })) {
      ids.push(step.id);
      text += step.text;
      logitsDigest = toHex(step.logitsDigest);
      report.tell(indent(step.text));
    }
    const rate = (1000 * body.length) / (performance.now() - started);
    const experts = body.routes;
    report.say(
      `\n    ${ink.dim(`${expertsOf(model, experts)} · ${rate.toFixed(0)} tokens/s · logits ${logitsDigest.slice(0, 16)}…`)}`,
    );
    return { prompt, text, ids, logitsDigest, experts };
  } finally {
    session.close();
  }
}

/** Which experts wrote, by name, and how many positions each. */
function expertsOf({ artifact: { lexical } }: Model, experts: readonly number[]): string {
  const domains = lexical ? [...lexical.domains, lexical.fallback] : [];
  return domains
    .map(({ name, expert }) => ({ name, count: experts.filter((it) => it === expert).length }))
    .filter(({ count }) => count > 0)
    .map(({ name, count }) => `${name} ${count}`)
    .join(", ");
}
