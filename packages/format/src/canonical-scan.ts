/**
 * One strict pass over MessagePack, before anything is decoded: shortest forms only, keys strictly ascending by bytes,
 * valid UTF-8, no floats, no nil, no booleans, no extensions, bounded depth, nothing after the value. It allocates nothing
 * that depends on a number in the input.
 */
import { FormatError } from "./errors.ts";

/** Nesting. A fold needs 10 (stages → stack → kinds → layer → ffn → shared → ffn → gate). */
const MAX_DEPTH = 12;

/** Values in one section: the 2^20 tensors an artifact may hold, with 12 values each, and room. It bounds what decoding allocates. */
const MAX_VALUES = 1 << 24;

/** Values that any section may have; beyond these it has one for three of its bytes at most, so that its size bounds what decoding takes. */
const FEW_VALUES = 1 << 18;

/** Keys that change an object's prototype, or look as if they would, in some reader. */
const FORBIDDEN_KEYS = new Set(["__proto__", "constructor", "prototype"]);

const utf8 = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Throws FormatError `canonical` unless `bytes` is the one encoding of a single value. */
export function assertCanonical(bytes: Uint8Array, section: string): void {
  const scan = new Scan(bytes, section);
  scan.value(1);
  if (scan.at !== bytes.length) scan.refuse(`${bytes.length - scan.at} bytes follow the value`);
}

class Scan {
  at = 0;
  private values = 0;
  private readonly bytes: Uint8Array;
  private readonly section: string;
  private readonly view: DataView;

  constructor(bytes: Uint8Array, section: string) {
    this.bytes = bytes;
    this.section = section;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  refuse(message: string): never {
    const at = `${this.section}+${this.at}`;
    throw new FormatError("canonical", `${at}: ${message}`, at);
  }

  /** Moves past `count` bytes and gives where they began. */
  private skip(count: number): number {
    const from = this.at;
    if (count > this.bytes.length - from)
      this.refuse(`${count} bytes are promised, ${this.bytes.length - from} are left`);
    this.at += count;
    return from;
  }

  /** A big-endian length of 1, 2 or 4 bytes that a shorter form could not say. */
  private length(size: 1 | 2 | 4, least: number): number {
    const from = this.skip(size);
    const n =
      size === 1 ? this.view.getUint8(from) : size === 2 ? this.view.getUint16(from) : this.view.getUint32(from);
    if (n < least) this.refuse(`${n} is not in its shortest form`);
    return n;
  }

  private signed(size: 1 | 2 | 4, below: number): void {
    const from = this.skip(size);
    const n = size === 1 ? this.view.getInt8(from) : size === 2 ? this.view.getInt16(from) : this.view.getInt32(from);
    if (n >= 0) this.refuse(`${n} is not negative, but has a signed form`);
    if (n >= below) this.refuse(`${n} is not in its shortest form`);
  }

  private unsigned64(): void {
    const n = this.view.getBigUint64(this.skip(8));
    if (n < 0x1_0000_0000n) this.refuse(`${n} is not in its shortest form`);
    if (n > BigInt(Number.MAX_SAFE_INTEGER)) this.refuse(`${n} is above 2^53 - 1`);
  }

  private signed64(): void {
    const n = this.view.getBigInt64(this.skip(8));
    if (n >= 0n) this.refuse(`${n} is not negative, but has a signed form`);
    if (n >= -0x8000_0000n) this.refuse(`${n} is not in its shortest form`);
    if (n < -BigInt(Number.MAX_SAFE_INTEGER)) this.refuse(`${n} is below 1 - 2^53`);
  }

  private text(length: number): string {
    const from = this.skip(length);
    try {
      return utf8.decode(this.bytes.subarray(from, from + length));
    } catch {
      return this.refuse("a string is not valid UTF-8");
    }
  }

  private list(count: number, depth: number): void {
    this.open(depth, count);
    for (let i = 0; i < count; i++) this.value(depth + 1);
  }

  /** Every item takes a byte at least, so a count beyond the bytes left is a lie. */
  private open(depth: number, count: number): void {
    if (depth > MAX_DEPTH) this.refuse(`nested deeper than ${MAX_DEPTH}`);
    if (count > this.bytes.length - this.at)
      this.refuse(`${count} items are promised, ${this.bytes.length - this.at} bytes are left`);
  }

  private map(count: number, depth: number): void {
    this.open(depth, 2 * count);
    let last: Uint8Array | undefined;
    for (let i = 0; i < count; i++) {
      const key = this.key();
      if (last && compare(last, key) >= 0) this.refuse("keys are not strictly ascending by bytes");
      last = key;
      this.value(depth + 1);
    }
  }

  private key(): Uint8Array {
    const from = this.at;
    const head = this.bytes[from];
    if (head === undefined || !((head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb))) {
      this.refuse("a key is not a string");
    }
    const key = this.string(this.view.getUint8(this.skip(1)));
    if (FORBIDDEN_KEYS.has(key)) this.refuse(`key "${key}" is not allowed`);
    // Past the header, whose length byte would order a long key after every short one.
    return this.bytes.subarray(from + (head <= 0xbf ? 1 : head === 0xd9 ? 2 : head === 0xda ? 3 : 5), this.at);
  }

  private string(head: number): string {
    if (head <= 0xbf) return this.text(head & 0x1f);
    if (head === 0xd9) return this.text(this.length(1, 0x20));
    if (head === 0xda) return this.text(this.length(2, 0x100));
    return this.text(this.length(4, 0x10000));
  }

  value(depth: number): void {
    if (++this.values > Math.min(MAX_VALUES, FEW_VALUES + this.bytes.length / 3)) this.refuse("too many values");
    const head = this.view.getUint8(this.skip(1));
    if (head <= 0x7f || head >= 0xe0) return;
    if (head <= 0x8f) this.map(head & 0x0f, depth);
    else if (head <= 0x9f) this.list(head & 0x0f, depth);
    else if (head <= 0xbf || (head >= 0xd9 && head <= 0xdb)) this.string(head);
    else this.wide(head, depth);
  }

  /** Types whose length or number follows the first byte. */
  private wide(head: number, depth: number): void {
    switch (head) {
      case 0xc4:
        this.skip(this.length(1, 0));
        break;
      case 0xc5:
        this.skip(this.length(2, 0x100));
        break;
      case 0xc6:
        this.skip(this.length(4, 0x10000));
        break;
      case 0xcc:
        this.length(1, 0x80);
        break;
      case 0xcd:
        this.length(2, 0x100);
        break;
      case 0xce:
        this.length(4, 0x10000);
        break;
      case 0xcf:
        this.unsigned64();
        break;
      case 0xd0:
        this.signed(1, -0x20);
        break;
      case 0xd1:
        this.signed(2, -0x80);
        break;
      case 0xd2:
        this.signed(4, -0x8000);
        break;
      case 0xd3:
        this.signed64();
        break;
      case 0xdc:
        this.list(this.length(2, 0x10), depth);
        break;
      case 0xdd:
        this.list(this.length(4, 0x10000), depth);
        break;
      case 0xde:
        this.map(this.length(2, 0x10), depth);
        break;
      case 0xdf:
        this.map(this.length(4, 0x10000), depth);
        break;
      default:
        this.refuse(`type byte 0x${head.toString(16)} (nil, boolean, float or extension) is not allowed`);
    }
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
