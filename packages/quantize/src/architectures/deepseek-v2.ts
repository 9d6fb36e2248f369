/**
 * DeepSeek-V2: latent attention, softmax router, a group's worth is its best expert, weights are not normalised: transformers
 * ignores norm_topk_prob here, and published configs have it false.
 */
import { choice } from "../config.ts";
import type { Family } from "../lowering.ts";
import { expertGroups, lowerDeepseek, routedScale } from "./mla.ts";

export const deepseekV2: Family = {
  modelType: "deepseek_v2",
  lower: (config) => {
    choice(config, "scoring_func", { softmax: true }, "softmax");
    const limited = choice(config, "topk_method", { greedy: "all", group_limited_greedy: "groups" } as const, "greedy");
    const groups = limited === "groups" ? expertGroups(config, 1, { groups: 1 }) : {};
    const router = { score: "softmax", ...groups, weights: "raw", scale: routedScale(config, 1) } as const;
    return lowerDeepseek(config, { router, interleaved: true, shared: 2, dense: 0 });
  },
};
