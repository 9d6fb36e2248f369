/**
 * Our engine beside llama.cpp at eight bits: `npm run bench:peers [-- dense|mixture] [1|2] [--rounds 5] [--nodes 20,24] [--engine simd] [--clock cores]`.
 * The same shapes with random weights, so that only speed is compared. In each round all take a turn of prefill and decode;
 * ratios are of turns of one round, and their median counts.
 */
import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Contestant, enter } from "./contest.ts";
import { installPeers } from "./install.ts";
import { makeGguf } from "./random-gguf.ts";
import { SHAPES, shapeOf } from "./shapes.ts";
import { rateOf, ratioOf } from "./statistics.ts";
import { DECODE, PREFILL, type Turn } from "./turn.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    nodes: { type: "string", default: "20,24" },
    clock: { type: "string", default: "wall" },
    engine: { type: "string", default: "auto" },
  },
});
const shapes = positionals.filter((word) => word in SHAPES);
const threadCounts = positionals.filter((word) => /^\d+$/.test(word));
const stray = positionals.find((word) => !shapes.includes(word) && !threadCounts.includes(word));
if (stray !== undefined) throw new Error(`"${stray}" is neither a shape nor a number of threads`);

installPeers();
const nodes = values.nodes.split(",").map((version) => ({ version, command: nodeOf(version) }));
for (const shape of shapes.length > 0 ? shapes : Object.keys(SHAPES))
  for (const threads of threadCounts.length > 0 ? threadCounts : ["1", "2"]) await compare(shape, threads);

/** One table: everybody on one shape with so many threads. */
async function compare(shape: string, threads: string): Promise<void> {
  const gguf = join(import.meta.dirname, ".cache", `${shape}.gguf`);
  makeGguf(gguf, shapeOf(shape));
  console.log(
    `\n${shape}, threads ${threads} of ${availableParallelism()}, prefill ${PREFILL}, decode ${DECODE}, by the clock: ${values.clock}`,
  );
  const source = ["--conditions=@s7l/source", "--import=tsx"];
  const script = (name: string) => join(import.meta.dirname, name);
  const peer = await arrive("llama.cpp", process.execPath, [
    ...source,
    script("llama.ts"),
    gguf,
    threads,
    values.clock,
  ]);
  const ours: Entrant[] = [];
  for (const { version, command } of nodes) {
    const entrant = await arrive(`s7l, Node ${version}`, command, [
      ...source,
      script("ours.ts"),
      shape,
      threads,
      values.clock,
      values.engine,
    ]);
    if (entrant) ours.push(entrant);
  }
  const everybody = peer ? [peer, ...ours] : ours;
  for (let round = 1; round <= Number(values.rounds); round++) {
    const rates: string[] = [];
    for (const { name, contestant, turns } of everybody) {
      const turn = await contestant.turn();
      turns.push(turn);
      rates.push(`${name} ${(PREFILL / turn.prefill).toFixed(1)} / ${(DECODE / turn.decode).toFixed(1)}`);
    }
    console.log(`  round ${round}: ${rates.join(", ")}`);
  }
  for (const entrant of everybody) {
    entrant.contestant.leave();
    console.log(`${entrant.name.padEnd(14)} ${row("prefill", entrant, peer)}${row("decode", entrant, peer)}`);
  }
}

interface Entrant {
  readonly name: string;
  readonly contestant: Contestant;
  readonly turns: Turn[];
}

async function arrive(name: string, command: string, args: readonly string[]): Promise<Entrant | undefined> {
  try {
    const contestant = await enter(command, args);
    console.log(`  ${name}: ${contestant.about}`);
    return { name, contestant, turns: [] };
  } catch (error) {
    console.log(`  ${name}: not available (${error instanceof Error ? error.message.split("\n")[0] : error})`);
    return undefined;
  }
}

/** Tokens a second, and how often faster than the peer. */
function row(part: keyof Turn, { turns }: Entrant, peer: Entrant | undefined): string {
  const ratio = peer && peer.turns !== turns ? ratioOf(part, turns, peer.turns) : "";
  return `${rateOf(part, turns).padEnd(24)}${ratio.padEnd(24)}`;
}

/** Path of a version of Node, from the npm package `node`. */
function nodeOf(version: string): string {
  if (process.version.startsWith(`v${version}.`)) return process.execPath;
  return execFileSync("npx", ["--yes", `node@${version}`, "-p", "process.execPath"], { encoding: "utf8" }).trim();
}
