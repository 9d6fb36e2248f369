/**
 * Why `fetch` failed, in words. Node says "fetch failed", and has the reason as its cause, which has a code alone where several
 * addresses failed.
 */
export function fetchFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  return `${error.message}: ${cause.message || ("code" in cause ? cause.code : cause.name)}`;
}
