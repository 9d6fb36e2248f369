import { availableParallelism } from "node:os";
import {
  adviceFor,
  collectCheckpoint,
  type Finding,
  indexCheckpoint,
  lintCheckpoint,
  makeManifest,
  verifyCheckpoint,
} from "@s7l/quantize";
import { refuseUsage } from "../errors.ts";
import type { ExitCode } from "../exit.ts";
import { formatBytes, formatCount, formatSeconds } from "../quantity.ts";
import { type Context, defineVerb } from "../verb.ts";

const ACTIONS = ["collect", "lint", "index", "manifest", "verify"] as const;
type Action = (typeof ACTIONS)[number];

/** Who takes which flag: to any other action it would say nothing. */
const TAKEN: readonly (readonly [keyof Options, readonly Action[]])[] = [
  ["max-shard", ["collect"]],
  ["values", ["lint"]],
  ["out", ["manifest"]],
  ["manifest", ["verify"]],
  ["threads", ["manifest", "verify"]],
];

interface Arguments extends Options {
  readonly folder: string;
}

interface Options {
  readonly values: boolean;
  readonly "max-shard": number | undefined;
  readonly out: string | undefined;
  readonly manifest: string | undefined;
  readonly threads: number | undefined;
}

export const checkpoint = defineVerb({
  summary: "sharded safetensors: structure, lint, index, SHA-256 manifest, and the check of both",
  examples: [
    "s7l checkpoint collect checkpoints/oracle850b",
    "s7l checkpoint lint checkpoints/oracle850b --values",
    "s7l checkpoint index checkpoints/oracle850b",
    "s7l checkpoint manifest checkpoints/oracle850b --threads 8",
    "s7l checkpoint verify checkpoints/oracle850b",
  ],
  positionals: {
    action: { description: ACTIONS.join(", ") },
    folder: { description: "the folder of the checkpoint" },
  },
  flags: {
    values: { type: "boolean", description: "lint: reads every value and refuses NaN and infinity" },
    "max-shard": { type: "integer", min: 1, hint: "BYTES", description: "collect: what a shard may have at most" },
    out: { type: "text", short: "o", hint: "FILE", description: "manifest: where to write it (DIR/manifest.json)" },
    manifest: { type: "text", hint: "FILE", description: "verify: the manifest (DIR/manifest.json)" },
    threads: {
      type: "integer",
      min: 1,
      max: 1024,
      hint: "N",
      description: "manifest, verify: files hashed at once (default: all cores)",
    },
  },
  async run(context) {
    const run = ACTIONS.find((name) => name === context.args.action);
    if (!run) refuseUsage(`${context.args.action} is none of ${ACTIONS.join(", ")}`);
    assertTaken(run, context.args);
    try {
      return await RUNS[run](context);
    } finally {
      context.progress.clear();
    }
  },
});

/** Throws CliError `usage` for a flag of other actions. */
function assertTaken(action: Action, options: Options): void {
  for (const [flag, actions] of TAKEN) {
    const given = options[flag] !== undefined && options[flag] !== false;
    if (given && !actions.includes(action))
      refuseUsage(`--${flag} says nothing to ${action}: it is for ${actions.join(" and ")}`);
  }
}

const RUNS: Readonly<Record<Action, (context: Context<Arguments>) => Promise<ExitCode>>> = {
  collect: async (context) => {
    const { folder, "max-shard": maxShardBytes } = context.args;
    const found = await collectCheckpoint(folder, maxShardBytes === undefined ? {} : { maxShardBytes });
    const { files, shards, bytes } = found;
    return conclude(
      context,
      found,
      `${formatCount(files)} files, ${formatCount(shards)} of weights, ${formatBytes(bytes)}`,
    );
  },
  lint: async (context) => {
    const { args, progress, signal } = context;
    const onProgress = (done: number, total: number): void => progress.show("lint", done, total);
    const found = await lintCheckpoint(args.folder, { values: args.values, onProgress, signal });
    const { shards, tensors, bytes } = found;
    const read = args.values ? ", every value finite" : "";
    return conclude(
      context,
      found,
      `${formatCount(tensors)} tensors in ${formatCount(shards)} files, ${formatBytes(bytes)}${found.ok ? read : ""}`,
    );
  },
  index: async ({ args: { folder }, report }) => {
    const built = await indexCheckpoint(folder);
    report.finish({
      json: { built },
      brief: built.map(({ path }) => path).join("\n"),
      lines: built.map(
        ({ path, tensors, shards, bytes }) =>
          `${path}: ${formatCount(tensors)} tensors in ${formatCount(shards)} shards, ${formatBytes(bytes)}`,
      ),
    });
    return 0;
  },
  manifest: async ({ args: { folder, out, threads }, report, progress, signal }) => {
    const started = performance.now();
    const made = await makeManifest(folder, {
      ...(out === undefined ? {} : { out }),
      threads: threads ?? availableParallelism(),
      onProgress: (done, total) => progress.show("manifest", done, total),
      signal,
    });
    progress.clear();
    const { path, manifest, resumed, bytes } = made;
    const kept = resumed > 0 ? `, ${formatCount(resumed)} hashed by an earlier run` : "";
    report.finish({
      json: { path, files: manifest.size, resumed, bytes },
      brief: path,
      lines: [
        `${path}: ${formatCount(manifest.size)} files, ${formatBytes(bytes)}${kept}, in ${formatSeconds(performance.now() - started)}`,
      ],
    });
    return 0;
  },
  verify: async (context) => {
    const { args, progress, signal } = context;
    const found = await verifyCheckpoint(args.folder, {
      ...(args.manifest === undefined ? {} : { manifest: args.manifest }),
      threads: args.threads ?? availableParallelism(),
      onProgress: (done, total) => progress.show("verify", done, total),
      signal,
    });
    return conclude(
      context,
      found,
      `${formatCount(found.files)} files in the manifest, ${formatBytes(found.bytes)} hashed`,
    );
  },
};

/** Findings for people, a line each, and for each trouble among them what to do. */
function conclude(
  { args: { folder }, report, progress }: Context<Arguments>,
  found: { readonly ok: boolean; readonly findings: readonly Finding[] },
  what: string,
): ExitCode {
  progress.clear();
  const { ink } = report;
  const advice = adviceFor(found.findings);
  const errors = found.findings.filter(({ severity }) => severity === "error").length;
  report.finish({
    json: { ...found, advice },
    brief: found.ok ? "ok" : `${errors} wrong`,
    lines: [
      ...found.findings.map(
        ({ severity, code, message }) =>
          `${severity === "error" ? ink.red("✗") : ink.dim("·")} ${message} ${ink.dim(`[${code}]`)}`,
      ),
      `${found.ok ? ink.green("✓") : ink.red("✗")} ${folder}: ${what}${errors > 0 ? `; ${formatCount(errors)} wrong` : ""}`,
      ...advice.map((sentence) => `  ${sentence}`),
    ],
  });
  return found.ok ? 0 : 1;
}
