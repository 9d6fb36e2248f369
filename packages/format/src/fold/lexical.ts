/**
 * The lexical routing table (S7): which expert a position goes to, from the text alone. Sealed in the ROUTE section, so a
 * route can be recomputed from the artifact and the prompt by anyone.
 */
import { type Infer, integer, list, oneOf, optional, record, text } from "../schema.ts";

const domain = record({
  name: text(256),
  expert: integer(4095),
  /** Plain substrings of the window, none of them twice. */
  triggers: list(text(256), 4096),
  /** 1: triggers are compared with the ASCII-lowercased window. */
  caseInsensitive: oneOf(0, 1),
  /** Also matches when 100 · ASCII digits > this · characters in the window. */
  digitPercentAbove: optional(integer(100)),
});

/** Domains are tried in order; the first that matches wins, else `fallback`. */
export const lexicalSchema = record({
  /** The window is the last `windowBytes` UTF-8 bytes of the text; a character that its edge cuts does not count. */
  windowBytes: integer(1 << 16, 1),
  domains: list(domain, 4096),
  fallback: record({ name: text(256), expert: integer(4095) }),
});

export type LexicalTable = Infer<typeof lexicalSchema>;
