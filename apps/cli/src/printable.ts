/**
 * Text from files and models on its way to a terminal. Names and generated text may hold escape sequences that move the cursor,
 * rename the window or overwrite what was printed before; none of them gets through.
 */

/** Control characters but line end and tab; of the escape sequences only the colours that `ink.ts` writes remain. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
const CONTROLS = /\u001b(?!\[(?:1|2|22|31|32|33|36|39)m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;
/** What turns the direction of the text that follows, so that a line reads otherwise than it is. */
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;

/** The text with every other control character shown as U+FFFD. A carriage return before a line end is left out. */
export function printable(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(CONTROLS, "\ufffd").replace(TURNS, "\ufffd");
}

/** The text on one line: a name with a line end in it must not look like a line of ours. */
export function oneLine(text: string): string {
  return text.replace(/[\r\n\t\u2028\u2029]+/g, " ");
}
