/**
 * The byte alphabet of byte-level BPE (GPT-2): one printable character a byte. Bytes that are printable in Latin-1 stand for
 * themselves, the others for U+0100 and on, in order.
 */
const CHARACTERS: readonly string[] = (() => {
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

const BYTES: ReadonlyMap<string, number> = new Map(CHARACTERS.map((character, byte) => [character, byte]));

/** Spells bytes in the alphabet. */
export function spellBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += CHARACTERS[byte] ?? "";
  return text;
}

/** The bytes that a word of the alphabet spells, or undefined for a word with a character outside it. */
export function readByteSpelling(word: string): Uint8Array | undefined {
  const bytes = new Uint8Array(word.length);
  for (let i = 0; i < word.length; i++) {
    const byte = BYTES.get(word[i] ?? "");
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

/** Whether a vocabulary is written in the alphabet: it spells every single byte, which plain text would not. */
export function usesByteAlphabet(has: (token: string) => boolean): boolean {
  return CHARACTERS.every(has);
}
