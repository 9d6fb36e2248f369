/**
 * The one encoding of a value, written directly: msgpackr's own writer has no way to it (measured, 2.1.3: positive integers
 * from 2^32 are floats, or signed when they are given as BigInt), and would be half of what a browser loads to verify.
 */
import { FormatError } from "./errors.ts";
import { isList, type Value } from "./schema.ts";

const utf8 = /* @__PURE__ */ new TextEncoder();

/** Compares strings by their UTF-8 bytes, which is the order of code points and not of UTF-16 units. */
export function compareBytewise(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = rankOf(a.charCodeAt(i)) - rankOf(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** A UTF-16 unit's place in the order of code points: surrogates, D800 to DFFF, stand for points above all other units. */
function rankOf(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Whether every unit is a byte of ASCII. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** The encoding of a value; whether it is one that may be read again is for the scan to say. */
export function encodeValue(value: Value): Uint8Array {
  const writer = new Writer();
  writer.value(value);
  return writer.bytes();
}

/** Type bytes of the three lengths that a header may have, and the greatest length that stands in the type byte itself. */
interface Header {
  readonly short?: { readonly type: number; readonly most: number };
  readonly type8?: number;
  readonly type16: number;
  readonly type32: number;
}

const TEXT: Header = { short: { type: 0xa0, most: 31 }, type8: 0xd9, type16: 0xda, type32: 0xdb };
const BYTES: Header = { type8: 0xc4, type16: 0xc5, type32: 0xc6 };
const LIST: Header = { short: { type: 0x90, most: 15 }, type16: 0xdc, type32: 0xdd };
const MAP: Header = { short: { type: 0x80, most: 15 }, type16: 0xde, type32: 0xdf };

class Writer {
  private buffer = new Uint8Array(256);
  private view = new DataView(this.buffer.buffer);
  private size = 0;

  bytes(): Uint8Array {
    return this.buffer.slice(0, this.size);
  }

  value(value: Value): void {
    if (typeof value === "number") this.integer(value);
    else if (typeof value === "string") this.text(value);
    else if (value instanceof Uint8Array) this.raw(BYTES, value);
    else if (isList(value)) this.list(value);
    else this.map(value);
  }

  private list(items: readonly Value[]): void {
    this.header(LIST, items.length);
    for (const item of items) this.value(item);
  }

  private map(map: { readonly [key: string]: Value }): void {
    // Types do not hold at run time: a caller's null, boolean or undefined ends here.
    if (typeof map !== "object" || map === null) throw new FormatError("canonical", `${String(map)} has no encoding`);
    const keys = Object.keys(map).sort(compareBytewise);
    this.header(MAP, keys.length);
    for (const key of keys) {
      this.text(key);
      const value = map[key];
      if (value === undefined) throw new FormatError("canonical", `key "${key}" has no value`);
      this.value(value);
    }
  }

  private text(text: string): void {
    // Names are plain and short: an encoder's call costs ten times what it takes to write them.
    if (isPlain(text)) {
      this.header(TEXT, text.length);
      const at = this.take(text.length);
      for (let i = 0; i < text.length; i++) this.buffer[at + i] = text.charCodeAt(i);
      return;
    }
    // TextEncoder would write U+FFFD for it, and two values would have one encoding.
    if (/\p{Surrogate}/u.test(text)) throw new FormatError("canonical", "a string holds half of a surrogate pair");
    this.raw(TEXT, utf8.encode(text));
  }

  private raw(header: Header, bytes: Uint8Array): void {
    this.header(header, bytes.length);
    // Taken first: it may replace the buffer.
    const at = this.take(bytes.length);
    this.buffer.set(bytes, at);
  }

  private header({ short, type8, type16, type32 }: Header, length: number): void {
    if (short && length <= short.most) this.number8(short.type | length);
    else if (type8 !== undefined && length <= 0xff) this.typed8(type8, length);
    else if (length <= 0xffff) this.typed16(type16, length);
    else this.typed32(type32, length);
  }

  private integer(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      const shown = Object.is(value, -0) ? "-0" : String(value);
      throw new FormatError("canonical", `${shown} is not an integer of at most 53 bits`);
    }
    if (value >= -32 && value <= 0x7f) this.number8(value & 0xff);
    else if (value > 0) this.positive(value);
    else this.negative(value);
  }

  private positive(value: number): void {
    if (value <= 0xff) this.typed8(0xcc, value);
    else if (value <= 0xffff) this.typed16(0xcd, value);
    else if (value <= 0xffffffff) this.typed32(0xce, value);
    else this.typed64(0xcf, BigInt(value));
  }

  private negative(value: number): void {
    if (value >= -0x80) this.typed8(0xd0, value);
    else if (value >= -0x8000) this.typed16(0xd1, value);
    else if (value >= -0x80000000) this.typed32(0xd2, value);
    else this.typed64(0xd3, BigInt(value));
  }

  private number8(value: number): void {
    const at = this.take(1);
    this.view.setUint8(at, value);
  }

  // The setters take a negative number modulo their size, which is its two's complement.
  private typed8(type: number, value: number): void {
    this.number8(type);
    this.number8(value);
  }

  private typed16(type: number, value: number): void {
    this.number8(type);
    const at = this.take(2);
    this.view.setUint16(at, value);
  }

  private typed32(type: number, value: number): void {
    this.number8(type);
    const at = this.take(4);
    this.view.setUint32(at, value);
  }

  private typed64(type: number, value: bigint): void {
    this.number8(type);
    const at = this.take(8);
    this.view.setBigUint64(at, value);
  }

  /** Makes room for `count` bytes and gives where they begin. The view may be another one afterwards. */
  private take(count: number): number {
    const at = this.size;
    this.size += count;
    if (this.size > this.buffer.length) {
      const grown = new Uint8Array(Math.max(this.size, 2 * this.buffer.length));
      grown.set(this.buffer);
      this.buffer = grown;
      this.view = new DataView(grown.buffer);
    }
    return at;
  }
}
