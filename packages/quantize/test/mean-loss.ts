/** A test tool: mean of -ln p of each token given those before, in nats; `logits` has a row for each token. */
export function meanLoss(logits: readonly Float64Array[], ids: readonly number[]): number {
  const losses = ids.slice(1).map((id, i) => {
    const row = logits[i] ?? new Float64Array();
    const max = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    return Math.log(row.reduce((sum, value) => sum + Math.exp(value - max), 0)) + max - (row[id] ?? Number.NaN);
  });
  return losses.reduce((a, b) => a + b, 0) / losses.length;
}
