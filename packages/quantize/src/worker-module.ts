/**
 * A module of this package as a thread loads it: the built one, also where this runs from source, because a thread has none of
 * the loaders that its parent may have (vitest's, tsx's).
 */
export const workerModule = (name: string): URL => new URL(`../dist/${name}.js`, import.meta.url);
