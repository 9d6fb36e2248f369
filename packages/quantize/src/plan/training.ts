/**
 * What training costs: 6 · N · D floating-point operations for N parameters and D tokens (two forward, four backward; Kaplan
 * et al. 2020, arXiv 2001.08361 §2.1), divided by what the GPUs achieve. Attention's own products are not in it: below a context
 * of some thousands they add little.
 */

/** A GPU, and what of its peak a training run achieves. */
export interface Hardware {
  /** Dense BF16 peak in TFLOP/s: 312 for an A100. */
  readonly tflops: number;
  /** Share of the peak: 0.4 is common for large models, small ones reach less. */
  readonly utilisation: number;
  readonly gpus: number;
  /** Price of one GPU for one hour. */
  readonly hourPrice: number;
}

/** Parameters by what a token costs in them. */
export interface Work {
  /** Trained: 6 operations each. */
  readonly trained: number;
  /** Frozen before the trained ones: forward only, 2. */
  readonly before?: number;
  /** Frozen after them: forward, and the gradient's way back, 4. */
  readonly after?: number;
}

export interface TrainingBudget {
  readonly tokens: number;
  readonly flops: number;
  readonly gpuHours: number;
  /** Hours on all the GPUs together. */
  readonly wallHours: number;
  readonly cost: number;
}

/** An A100 at the seed's price of 2.50 an hour. */
export const A100: Hardware = { tflops: 312, utilisation: 0.4, gpus: 8, hourPrice: 2.5 };

/** Operations, hours and cost of training on `tokens` tokens. */
export function trainingBudget(
  { trained, before = 0, after = 0 }: Work,
  tokens: number,
  { tflops, utilisation, gpus, hourPrice }: Hardware,
): TrainingBudget {
  const flops = (6 * trained + 2 * before + 4 * after) * tokens;
  const gpuHours = flops / (tflops * 1e12 * utilisation) / 3600;
  return { tokens, flops, gpuHours, wallHours: gpuHours / gpus, cost: gpuHours * hourPrice };
}
