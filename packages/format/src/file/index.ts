export { readFailure } from "../read-failure.ts";
export {
  assertReplaceable,
  attemptWrite,
  createFileSink,
  type FileSink,
  type FileSinkOptions,
  writeAtOnce,
} from "./file-sink.ts";
export { type FileSource, openFileSource } from "./file-source.ts";
export { type FolderCache, openFolderCache } from "./folder-cache.ts";
export { appendText, readLines } from "./journal-file.ts";
export { type OpenWeights, openWeights } from "./open-weights.ts";
export { folderFailure, writeFailure } from "./write-failure.ts";
export { writeFileWhole } from "./write-file-whole.ts";
export { type WriteWeightsOptions, type WrittenWeights, writeWeights } from "./write-weights.ts";
