export { type ThreadOptions, verifyOnThreads } from "./verify-on-threads.ts";
