export { type Reading, type ReadOptions, readOnThreads } from "./read-on-threads.ts";
export { BYTES_A_THREAD } from "./team.ts";
export { type ThreadOptions, verifyOnThreads } from "./verify-on-threads.ts";
