export { createFileSink, type FileSink } from "./file-sink.ts";
export { type FileSource, openFileSource } from "./file-source.ts";
