export { attemptWrite, createFileSink, type FileSink, type FileSinkOptions } from "./file-sink.ts";
export { type FileSource, openFileSource } from "./file-source.ts";
export { type FolderCache, openFolderCache } from "./folder-cache.ts";
export { type OpenWeights, openWeights, type WeightsExtra, writeWeights } from "./weights-folder.ts";
export { writeFileWhole } from "./write-file-whole.ts";
