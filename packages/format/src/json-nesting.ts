/**
 * How deep a JSON text nests, before it is parsed: JSON.parse takes 60 bytes of memory for each open bracket, so that twenty
 * megabytes of `[` cost a gibibyte.
 */

const QUOTE = 0x22;
const ESCAPE = 0x5c;

/** Whether maps and lists in a JSON text (UTF-8) nest deeper than `limit`. Says nothing else about the text. */
export function nestsDeeper(json: Uint8Array, limit: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (quoted) {
      if (byte === ESCAPE) i++;
      else if (byte === QUOTE) quoted = false;
    } else if (byte === QUOTE) quoted = true;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > limit) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return false;
}
