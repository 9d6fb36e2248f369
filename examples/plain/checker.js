// Bundled to one script without imports; the page calls `s7l.check(file)`.
import { blobSource } from "@s7l/format";
import { verify } from "@s7l/verify";

globalThis.s7l = { check: (file, expectedRoot) => verify(blobSource(file), expectedRoot ? { expectedRoot } : {}) };
