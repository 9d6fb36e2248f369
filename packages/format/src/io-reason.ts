/** What the system said of a file, by its code in `words`, else as it was said. */
export function reasonIn(words: Readonly<Record<string, string>>, cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return words[code] ?? (cause instanceof Error ? cause.message : String(cause));
}
