/** Windows that a config gives layer by layer. */
import { type Config, count, flag, list, refuseConfig, refuseIf } from "../config.ts";

/** The window of a layer, as a part of its attention. */
export type WindowOf = (layer: number) => { readonly window?: number };

/** By `layer_types`, each `sliding_attention` (of `sliding_window` keys) or `full_attention`; undefined without the key. */
export function layerTypes(config: Config, layers: number): WindowOf | undefined {
  const types = list(config, "layer_types");
  if (!types) return undefined;
  if (types.length !== layers) refuseConfig(config, `has ${types.length} layer_types for ${layers} layers`);
  const sliding = types.map((type) => {
    refuseIf(
      type !== "sliding_attention" && type !== "full_attention",
      config,
      `has the layer type ${JSON.stringify(type)}`,
    );
    return type === "sliding_attention";
  });
  const window = sliding.includes(true) ? { window: count(config, "sliding_window") } : {};
  return (layer) => (sliding[layer] ? window : {});
}

/**
 * Qwen's: nothing unless `use_sliding_window`, and then only with `layer_types`, as versions of transformers disagree on the
 * layers it means without.
 */
export function listedWindows(config: Config, layers: number): WindowOf {
  const types = list(config, "layer_types") ?? [];
  if (flag(config, "use_sliding_window", false)) {
    const listed = layerTypes(config, layers);
    if (listed) return listed;
    refuseIf(true, config, "has use_sliding_window, but no layer_types that say on which layers");
  }
  if (types.includes("sliding_attention"))
    refuseConfig(config, "has sliding layer_types, but use_sliding_window is false");
  return () => ({});
}
