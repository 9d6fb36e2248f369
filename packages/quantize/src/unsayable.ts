/**
 * What a config may ask and no fold can say, whatever the family: each changes logits without a tensor of its own, so nothing else would
 * tell. Where the value is the neutral one nothing is asked. null counts as absent.
 */
import { type Config, lookUp, refuseIf } from "./config.ts";
import type { Json } from "./json.ts";

const UNSAYABLE: readonly { readonly key: RegExp; readonly neutral: readonly Json[] }[] = [
  /** Logits, of attention or of the head, through a tanh: Gemma 2, Grok. */
  { key: /soft_?cap/i, neutral: [0, false] },
  /** Granite, Cohere, MiniCPM. */
  {
    key: /^(embedding|residual|attention)_multiplier$|^logits?_scal(e|ing)$|^scale_emb$/,
    neutral: [1],
  },
  /** DBRX and OLMo hold queries, keys and values to a range. */
  { key: /^clip_qkv$/, neutral: [] },
  /** Attention to what follows, as in models that embed texts. */
  { key: /^(is_causal|use_causal_mask)$/, neutral: [true] },
];

/** Throws QuantizeError `unsupported` with the key. */
export function refuseUnsayable(config: Config): void {
  for (const name of Object.keys(config.values)) {
    const asked = UNSAYABLE.find(({ key }) => key.test(name));
    const value = asked && lookUp(config, name);
    refuseIf(
      value !== undefined && !asked?.neutral.includes(value),
      config,
      `has ${name} = ${JSON.stringify(value)?.slice(0, 80)}, which a fold cannot say; to leave it out would give other logits`,
    );
  }
}
