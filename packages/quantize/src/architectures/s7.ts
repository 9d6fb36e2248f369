/**
 * S7 (seed 001): a trunk, a projection, whole transformers as experts by lexical route, linear weights stored [in, out].
 *
 * With `norm: "rms"` it is our definition: norms, `out_proj` of each expert, and a head tied to the embedding. Without
 * `norm` it is the public original's form: none of these, and a head of its own.
 */
import {
  FOLD_NAME,
  FormatError,
  type Layer,
  type LexicalTable,
  lexicalSchema,
  MAX_EXPERTS,
  type Norm,
  type Value,
} from "@s7l/format";
import { transpose, whole } from "../checkpoint/view.ts";
import {
  type Config,
  choice,
  count,
  flag,
  layerCount,
  lookUp,
  real,
  refuseConfig,
  refuseIf,
  share,
  table,
} from "../config.ts";
import { isObject, type Json } from "../json.ts";
import type { Family, Place, Rules } from "../lowering.ts";
import { DEFAULT_ROUTING } from "./default-routing.ts";
import { contextOf, linear, rmsNorm, stackOf } from "./parts.ts";
import { ropeOf, softmaxScale } from "./rope.ts";

const TRUNK = "trunk.layer{layer}";
const EXPERT = "expert{expert}.layer{layer}";

export const s7: Family = {
  modelType: "s7_llm_moe",
  lower: (config) => {
    refuseIf(
      lookUp(config, "arithmetic") !== undefined,
      config,
      "is of the original's int8 checkpoint; give the float one",
    );
    const normed = lookUp(config, "norm") !== undefined && choice(config, "norm", { rms: true });
    refuseIf(
      normed && !flag(config, "tie_word_embeddings", true),
      config,
      "has norms and a head of its own (tie_word_embeddings false), which this family has not together",
    );
    const eps = real(config, "rms_norm_eps", { or: 1e-5 });
    const norm = (prefix: string): Norm | undefined => (normed ? rmsNorm(prefix, eps) : undefined);
    const vocab = count(config, "vocab_size");
    const experts = count(config, "num_experts", { max: MAX_EXPERTS });
    const trunk = blockOf(config, "trunk");
    const expert = blockOf(config, "expert");
    if (trunk.headSize !== expert.headSize) refuseConfig(config, "has heads of different sizes in trunk and experts");
    const position = ropeOf(config, { pairs: "interleaved", dims: trunk.headSize, theta: 10000 });
    const activation = choice(config, "hidden_act", ACTIVATIONS, "gelu_pytorch_tanh");

    const layerOf = (prefix: string, { heads, headSize, ffn }: Block): Layer => ({
      ...named("attentionNorm", norm(`${prefix}.attn_norm`)),
      attention: {
        heads,
        kvHeads: heads,
        keySize: headSize,
        valueSize: headSize,
        scale: softmaxScale(headSize),
        project: {
          kind: "qkv",
          q: linear(`${prefix}.attn.q_proj`),
          k: linear(`${prefix}.attn.k_proj`),
          v: linear(`${prefix}.attn.v_proj`),
          o: linear(`${prefix}.attn.o_proj`),
        },
        position: position.position,
      },
      ...named("ffnNorm", norm(`${prefix}.ffn_norm`)),
      ffn: {
        kind: "plain",
        activation,
        width: ffn,
        fc1: linear(`${prefix}.ffn.fc1`),
        fc2: linear(`${prefix}.ffn.fc2`),
      },
    });

    return {
      fold: {
        fold: FOLD_NAME,
        version: 1,
        vocab,
        context: contextOf(config, "max_context"),
        width: trunk.width,
        embedding: "embedding.weight",
        stages: [
          { kind: "layers", stack: stackOf(trunk.layers, () => layerOf(TRUNK, trunk)) },
          { kind: "project", ...named("norm", norm("trunk.norm")), linear: linear("trunk.proj"), width: expert.width },
          {
            kind: "routed",
            experts,
            stack: stackOf(expert.layers, () => layerOf(EXPERT, expert)),
            ...named("norm", norm("expert{expert}.norm")),
            ...(normed ? { project: { linear: linear("expert{expert}.out_proj"), width: trunk.width } } : {}),
          },
        ],
        head: normed ? { kind: "tied" } : { kind: "linear", linear: linear("lm_head") },
      },
      lexical: lexicalOf(config, experts),
      rules: {
        ...position.rules,
        ...transposedLayer(TRUNK, trunk),
        ...transposedLayer(EXPERT, expert),
        ...transposed("trunk.proj.weight", trunk.width, expert.width),
        ...transposed("expert{expert}.out_proj.weight", expert.width, trunk.width),
        ...transposed("lm_head.weight", expert.width, vocab),
      },
      ignores: (name) => normed && name === "lm_head.weight",
      eos: [1],
    };
  },
};

const ACTIVATIONS = {
  gelu_pytorch_tanh: "geluTanh",
  gelu_new: "geluTanh",
  gelu: "geluErf",
  relu: "relu",
  silu: "silu",
} as const;

interface Block {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly headSize: number;
  readonly ffn: number;
}

function blockOf(config: Config, part: "trunk" | "expert"): Block {
  const width = count(config, `${part}_hidden`);
  const heads = count(config, `${part}_heads`);
  const headSize = share(config, width, heads, `head size of the ${part}`);
  return {
    width,
    layers: layerCount(config, `${part}_layers`),
    heads,
    headSize,
    ffn: count(config, `${part}_ffn_dim`),
  };
}

/** `{ key: norm }`, or nothing. */
function named<K extends string>(key: K, norm: Norm | undefined): { readonly [_ in K]?: Norm } {
  const empty: { readonly [_ in K]?: Norm } = {};
  return norm ? { ...empty, [key]: norm } : empty;
}

/** Stored [in, out]; sealed [out, in]. */
function transposed(pattern: string, inputs: number, outputs: number): Rules {
  const nameAt = ({ layer, expert }: Place): string =>
    pattern.replace("{layer}", String(layer)).replace("{expert}", String(expert));
  return { [pattern]: (place) => transpose(whole(nameAt(place), inputs, outputs)) };
}

const transposedLayer = (prefix: string, { width, ffn }: Block): Rules => ({
  ...transposed(`${prefix}.attn.q_proj.weight`, width, width),
  ...transposed(`${prefix}.attn.k_proj.weight`, width, width),
  ...transposed(`${prefix}.attn.v_proj.weight`, width, width),
  ...transposed(`${prefix}.attn.o_proj.weight`, width, width),
  ...transposed(`${prefix}.ffn.fc1.weight`, width, ffn),
  ...transposed(`${prefix}.ffn.fc2.weight`, ffn, width),
});

/** The routing table of config.json, or the default one. A fallback is named after a domain, which then has no triggers. */
function lexicalOf(config: Config, experts: number): LexicalTable {
  const lexical = lookUp(config, "router") === undefined ? DEFAULT_ROUTING : parseRouting(table(config, "router"));
  for (const { name, expert } of [...lexical.domains, lexical.fallback])
    if (expert >= experts) refuseConfig(config, `routes ${name} to expert ${expert}, but has ${experts} experts`);
  return lexical;
}

function parseRouting(router: Config): LexicalTable {
  choice(router, "type", { lexical: true }, "lexical");
  const { windowBytes = null, fallback = null, domains = null } = router.values;
  if (!Array.isArray(domains)) return refuseConfig(router, "has no list of domains");
  const entries: readonly Json[] = domains;
  const last = entries.find((entry) => isObject(entry) && entry.name === fallback);
  if (!isObject(last))
    return refuseConfig(router, `falls back on ${JSON.stringify(fallback)}, which is none of its domains`);
  const table = {
    windowBytes,
    domains: entries.filter((entry) => entry !== last || !isInert(last)).map(asDomain),
    fallback: { name: last.name ?? null, expert: last.expert ?? null },
  };
  try {
    return lexicalSchema.parse(toValue(table), router.place);
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    return refuseConfig(router, `is not a routing table: ${cause.message}`);
  }
}

/** A domain that nothing matches. */
const isInert = ({ triggers, digitPercentAbove }: { readonly [key: string]: Json }): boolean =>
  Array.isArray(triggers) && triggers.length === 0 && digitPercentAbove === undefined;

/** A trigger that is listed twice says no more than once, and is sealed once. */
function asDomain(entry: Json): Json {
  if (!isObject(entry)) return entry;
  const { triggers } = entry;
  return {
    ...entry,
    ...(Array.isArray(triggers) ? { triggers: [...new Set<Json>(triggers)] } : {}),
    caseInsensitive: entry.caseInsensitive ? 1 : 0,
  };
}

/** JSON as a sealed value; what that cannot carry becomes a string and is refused by the schema. */
function toValue(json: Json): Value {
  if (typeof json === "number" || typeof json === "string") return json;
  if (Array.isArray(json)) return json.map(toValue);
  if (isObject(json)) return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, toValue(value)]));
  return String(json);
}
