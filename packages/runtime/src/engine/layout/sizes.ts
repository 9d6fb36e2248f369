/** Sizes that kernels count on and memory is given out by. */

/** Tokens of a chunk, at most, and of a piece of a prompt: a multiple of 4. */
export const CHUNK_TOKENS = 256;
/** Queries that attention takes at once: their sums and a page of keys stay in the first-level cache. */
export const QUERIES = 8;
/** Slots that share one exponent when probabilities are rounded. */
export const BLOCK_SLOTS = 32;
/** Slots of a page of the cache, a multiple of {@link BLOCK_SLOTS}. */
export const PAGE_SLOTS = 64;
/** Exponent of a zero value in the cache. */
export const NOTHING = -0x8000_0000;
/** Products of a tile of many tokens, and combinations of each side: see assembly/linear-seven.ts. */
export const COMBINED = 7;
/** Rows that are combined at once where tiles are tall, and else. */
export const TALL_ROWS = 32;
export const FLAT_ROWS = 16;
/** Columns that are combined at once, at most. */
export const COMBINED_COLUMNS = 1024;
/** Tokens that are combined at once. */
export const COMBINED_TOKENS = 8;
/** Bytes of a token's state meanwhile: { or v128, shift i32 }. */
export const STATE_BYTES = 32;
