/**
 * DeepSeek-V3: latent attention; sigmoid scores, chosen by score plus a correction bias among the groups whose two best sum
 * highest, weighed without the bias. Experts of other groups do not take part at all (as in transformers 5).
 */
import { choice, flagOrNone, isNull, refuseIf } from "../config.ts";
import type { Family } from "../lowering.ts";
import { expertGroups, lowerDeepseek, routedScale } from "./mla.ts";

export const deepseekV3: Family = {
  modelType: "deepseek_v3",
  lower: (config) => {
    choice(config, "scoring_func", { sigmoid: true }, "sigmoid");
    choice(config, "topk_method", { noaux_tc: true }, "noaux_tc");
    refuseIf(
      isNull(config, "n_group") || isNull(config, "topk_group"),
      config,
      "has n_group or topk_group null, which transformers does not run; leave both out for 8 and 4, or give 1 and 1 for no groups",
    );
    const norm = flagOrNone(config, "norm_topk_prob");
    const interleaved = flagOrNone(config, "rope_interleave");
    const router = {
      score: "sigmoid",
      selectionBias: "model.layers.{layer}.mlp.gate.e_score_correction_bias",
      ...expertGroups(config, 2, { groups: 8, used: 4 }),
      weights: norm ? "normalised" : "raw",
      scale: routedScale(config, 2.5),
    } as const;
    return lowerDeepseek(config, { router, interleaved, shared: 1, dense: 3 });
  },
};
