/**
 * DeepSeek-V3: latent attention; sigmoid scores, chosen by score plus a correction bias among the groups whose two best sum
 * highest, weighed without the bias. Experts of other groups do not take part at all (as in transformers 5).
 */
import { choice, flag } from "../config.ts";
import type { Family } from "../lowering.ts";
import { expertGroups, lowerDeepseek, routedScale } from "./mla.ts";

export const deepseekV3: Family = {
  modelType: "deepseek_v3",
  lower: (config) => {
    choice(config, "scoring_func", { sigmoid: true }, "sigmoid");
    choice(config, "topk_method", { noaux_tc: true }, "noaux_tc");
    const router = {
      score: "sigmoid",
      selectionBias: "model.layers.{layer}.mlp.gate.e_score_correction_bias",
      ...expertGroups(config, 2),
      weights: flag(config, "norm_topk_prob", true) ? "normalised" : "raw",
      scale: routedScale(config, 2.5),
    } as const;
    return lowerDeepseek(config, router, flag(config, "rope_interleave", true));
  },
};
