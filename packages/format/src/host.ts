/**
 * What a host may have built in. Found through `process.getBuiltinModule`, without an import that a bundler would trip on.
 */

/** A built-in module of Node, or undefined where the host has none of that name. */
export function builtin(id: string): unknown {
  const host: { readonly process?: { readonly getBuiltinModule?: (id: string) => unknown } } & object = globalThis;
  return host.process?.getBuiltinModule?.(id);
}
