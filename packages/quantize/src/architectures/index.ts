/** Every family: one line each. */
import type { Family } from "../lowering.ts";
import { llama } from "./llama.ts";
import { s7 } from "./s7.ts";

export const FAMILIES: readonly Family[] = [llama, s7];
