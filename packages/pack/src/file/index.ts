export { sealFile } from "./seal-file.ts";
