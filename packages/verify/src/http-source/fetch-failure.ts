/**
 * Why `fetch` failed, in words. Node says "fetch failed", and has the reason as its cause: by its code, as that has no words where several
 * addresses failed, and where TLS did OpenSSL's, with places in its source and a line end.
 */
export function fetchFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  return `${error.message}: ${"code" in cause ? cause.code : cause}`;
}
