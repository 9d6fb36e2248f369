/** Every verb, one line each. A verb's body is imported when it is used. */
import type { Verb } from "./verb.ts";

export interface VerbEntry {
  readonly summary: string;
  /** Another name of a verb: works, and is not listed. */
  readonly alias?: true;
  readonly load: () => Promise<Verb>;
}

const loadPack = () => import("./commands/pack.ts").then(({ pack }) => pack);

/** In the order of the help: the road from a checkpoint to text, then the rest. */
export const VERBS: Readonly<Record<string, VerbEntry>> = {
  demo: {
    summary: "the whole pipeline on the model that comes along: quantize, pack, verify, run",
    load: () => import("./commands/demo.ts").then(({ demo }) => demo),
  },
  build: {
    summary: "a checkpoint to a sealed, verified artifact in one pass",
    load: () => import("./commands/build.ts").then(({ build }) => build),
  },
  quantize: {
    summary: "a checkpoint to a folder of INT8 weights",
    load: () => import("./commands/quantize.ts").then(({ quantize }) => quantize),
  },
  pack: { summary: "a folder of INT8 weights to a sealed artifact (also: seal)", load: loadPack },
  seal: { summary: "pack", alias: true, load: loadPack },
  verify: {
    summary: "an artifact by every rule, V0 to V7, each with its verdict",
    load: () => import("./commands/verify.ts").then(({ verify }) => verify),
  },
  sign: {
    summary: "a signature of an artifact: a model signing bundle, or minisign",
    load: () => import("./commands/sign.ts").then(({ sign }) => sign),
  },
  keygen: {
    summary: "a new pair of keys for sign and verify --key",
    load: () => import("./commands/keygen.ts").then(({ keygen }) => keygen),
  },
  run: {
    summary: "a verified artifact to text",
    load: () => import("./commands/run.ts").then(({ run }) => run),
  },
  replay: {
    summary: "a receipt of a run, computed again and held to every position",
    load: () => import("./commands/replay.ts").then(({ replay }) => replay),
  },
  bench: {
    summary: "tokens a second of an artifact on this machine",
    load: () => import("./commands/bench.ts").then(({ bench }) => bench),
  },
  eval: {
    summary: "perplexity, and the divergence from reference logits",
    load: () => import("./commands/eval.ts").then(({ evaluation }) => evaluation),
  },
  inspect: {
    summary: "what a file holds: an artifact (v1, v2 too), safetensors, GGUF",
    load: () => import("./commands/inspect.ts").then(({ inspect }) => inspect),
  },
  prove: {
    summary: "a proof that a tensor or chunk is in an artifact",
    load: () => import("./commands/prove.ts").then(({ prove }) => prove),
  },
  "check-proof": {
    summary: "a proof against a root, with nothing else at hand",
    load: () => import("./commands/check-proof.ts").then(({ checkProof }) => checkProof),
  },
  checkpoint: {
    summary: "sharded safetensors: collect, lint, index, manifest, verify",
    load: () => import("./commands/checkpoint.ts").then(({ checkpoint }) => checkpoint),
  },
  plan: {
    summary: "what a model is before it exists: parameters, bytes, cache, training budget",
    load: () => import("./commands/plan.ts").then(({ plan }) => plan),
  },
  doctor: {
    summary: "what this machine has, and which engine it would take",
    load: () => import("./commands/doctor.ts").then(({ doctor }) => doctor),
  },
  init: {
    summary: "a checkpoint with random weights, from a config and a seed",
    load: () => import("./commands/init.ts").then(({ init }) => init),
  },
};
