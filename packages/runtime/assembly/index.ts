// What JavaScript calls: one name a kernel. Records are described in src/engine/layout, pages of the cache in heads.ts.
export { attend } from "./attention";
export { addBias, addBlocks, quantise } from "./block";
export { addShared, chooseExperts, gather, scatter, sortChoices } from "./experts";
export { activate } from "./ffn";
export { appendKeys, appendValues, pageBytes, prepareQueries } from "./heads";
export { embed } from "./embed";
export { joinHeads } from "./join-heads";
export { linear } from "./linear";
export { sumRows } from "./linear-relaxed";
export { alignF32, lastBits, refineMultipliers, spread } from "./load";
export { setParts } from "./memory";
export { normBlocks } from "./norm";
export { setWorkspace } from "./product";
export { rotations } from "./rope";
export { pickRows, putRows } from "./rows";
export { mixValues, tensorProduct } from "./values";
