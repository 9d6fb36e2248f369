/**
 * The rules inside a tensor's span, checked as its bytes pass by: padding is zero, no int8 is -128, scales are finite,
 * positive and not subnormal, a scale is zero exactly where its row is, reals are finite. Pack and verify share it, so
 * what one writes is what the other takes.
 *
 * It runs beside SHA-256 on every byte of an artifact, so the one test that every int8 needs is done by words or by the
 * host's memchr, and a row is looked at only until its first non-zero.
 */
import { FormatError } from "./errors.ts";
import type { PlannedTensor } from "./fold/tensor-plan.ts";
import { builtin } from "./host.ts";
import { spanLayout } from "./span.ts";

/** Takes a tensor's span in pieces, in order. Throws FormatError `content` with the place. */
export interface ContentScan {
  update(piece: Uint8Array): void;
  /** Refuses a span that is not whole. */
  finish(): void;
}

/** A run of the span, up to `end`, all of one kind; `plane` for the second of `i8x2`. */
interface Region {
  readonly kind: "rows" | "zeros" | "scales" | "reals" | "any";
  readonly from: number;
  readonly end: number;
}

function regionsOf(tensor: PlannedTensor): readonly Region[] {
  const { data, plane, scales, size } = spanLayout(tensor);
  const rows = tensor.shape[0] ?? 0;
  const ends: readonly (readonly [Region["kind"], number])[] =
    tensor.dtype === "i8"
      ? [
          ["rows", data],
          ["zeros", scales],
          ["scales", scales + 4 * rows],
          ["zeros", size],
        ]
      : tensor.dtype === "i8x2"
        ? [
            ["rows", data],
            ["zeros", plane],
            ["rows", plane + data],
            ["zeros", scales],
            ["scales", scales + 4 * rows],
            ["zeros", size],
          ]
        : [
            [tensor.dtype === "f32" ? "reals" : "any", data],
            ["zeros", size],
          ];
  let from = 0;
  return ends.map(([kind, end]) => {
    const region = { kind, from, end };
    from = end;
    return region;
  });
}

/** Starts the scan of one tensor. It holds a byte a row. */
export function scanContent(tensor: PlannedTensor): ContentScan {
  return new Scan(tensor);
}

/**
 * Methods and functions, no closures: a thread scans a few hundred megabytes and ends, so what its compiler learns of one tensor
 * must serve for the next.
 */
class Scan implements ContentScan {
  readonly #name: string;
  readonly #columns: number;
  readonly #regions: readonly Region[];
  readonly #size: number;
  /** Of each row, whether it is not zero. */
  readonly #lively: Uint8Array;
  /** A word that two pieces share. */
  readonly #word = new Uint8Array(4);
  #position = 0;
  #next = 0;

  constructor(tensor: PlannedTensor) {
    const [rows = 0, columns = 1] = tensor.shape;
    this.#name = tensor.name;
    this.#columns = columns;
    this.#regions = regionsOf(tensor);
    this.#size = spanLayout(tensor).size;
    this.#lively = new Uint8Array(tensor.dtype === "i8" || tensor.dtype === "i8x2" ? rows : 0);
  }

  update(piece: Uint8Array): void {
    if (piece.length > this.#size - this.#position)
      this.#refuse(`the span is longer than its ${this.#size} bytes`, `byte ${this.#position}`);
    let rest = piece;
    while (rest.length > 0) {
      const region = this.#regions[this.#next];
      if (!region) return;
      const part = rest.subarray(0, region.end - this.#position);
      if (part.length > 0) this.#take(region, part);
      this.#position += part.length;
      rest = rest.subarray(part.length);
      if (this.#position === region.end) this.#next++;
    }
  }

  finish(): void {
    if (this.#position !== this.#size)
      this.#refuse(`the span ends after ${this.#position} of ${this.#size} bytes`, `byte ${this.#position}`);
  }

  #take({ kind, from }: Region, bytes: Uint8Array): void {
    const at = this.#position - from;
    if (kind === "rows") this.#takeRows(bytes, at);
    else if (kind === "scales" || kind === "reals") this.#takeWords(kind, bytes, at);
    else if (kind === "zeros") this.#takeZeros(bytes);
  }

  #takeRows(bytes: Uint8Array, from: number): void {
    const bad = indexOfMinus128(bytes);
    if (bad >= 0) {
      const column = (from + bad) % this.#columns;
      this.#refuse("-128 is not a value of symmetric int8", `[${(from + bad - column) / this.#columns}, ${column}]`);
    }
    markLively(this.#lively, bytes, from, this.#columns);
  }

  /** By words where they are whole; a word that two pieces share waits for its last byte. */
  #takeWords(kind: "scales" | "reals", bytes: Uint8Array, from: number): void {
    if (from % 4 === 0 && bytes.length % 4 === 0) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      if (kind === "scales") this.#takeScales(view, from / 4);
      else this.#takeReals(view, from / 4);
      return;
    }
    for (const [i, byte] of bytes.entries()) {
      const lane = (from + i) % 4;
      this.#word[lane] = byte;
      if (lane === 3) this.#takeWords(kind, this.#word, from + i - 3);
    }
  }

  #takeScales(words: DataView, from: number): void {
    for (let at = 0; at < words.byteLength; at += 4) this.#takeScale(words.getUint32(at, true), from + at / 4);
  }

  #takeReals(words: DataView, from: number): void {
    for (let at = 0; at < words.byteLength; at += 4)
      if ((words.getUint32(at, true) & 0x7f800000) === 0x7f800000)
        this.#refuse("not a finite number", `[${from + at / 4}]`);
  }

  #takeScale(bits: number, row: number): void {
    if (bits === 0) {
      if (this.#lively[row]) this.#refuse("the scale is zero, but the row is not", `row ${row}`);
    } else if (bits >= 0x7f800000) {
      this.#refuse(
        bits > 0x80000000
          ? "the scale is negative"
          : bits === 0x80000000
            ? "the scale is -0"
            : "the scale is not finite",
        `row ${row}`,
      );
    } else if (bits < 0x00800000) {
      this.#refuse("the scale is subnormal", `row ${row}`);
    } else if (!this.#lively[row]) {
      this.#refuse("the row is zero, but its scale is not", `row ${row}`);
    }
  }

  #takeZeros(bytes: Uint8Array): void {
    const bad = bytes.findIndex((byte) => byte !== 0);
    if (bad >= 0) this.#refuse("padding is not zero", `byte ${this.#position + bad}`);
  }

  #refuse(message: string, place: string): never {
    const at = `${this.#name} ${place}`;
    throw new FormatError("content", `${at}: ${message}`, at);
  }
}

/**
 * Marks the rows, or parts of them, in `bytes` that are not zero; `from` is where the bytes stand in the rows' region. Most rows are
 * decided by their first byte.
 */
function markLively(lively: Uint8Array, bytes: Uint8Array, from: number, columns: number): void {
  const column = from % columns;
  let row = (from - column) / columns;
  for (let start = -column; start < bytes.length; start += columns, row++) {
    if (lively[row]) continue;
    const at = Math.max(start, 0);
    if (bytes[at] !== 0 || !isZero(bytes, at, Math.min(start + columns, bytes.length))) lively[row] = 1;
  }
}

/** Whether bytes [from, to) are zero, of which the first is: then it is to have no byte that differs from the one before it. */
function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  if (!native) return hasOnlyZeros(bytes, from, to);
  return native.compare(bytes.subarray(from, to - 1), bytes.subarray(from + 1, to)) === 0;
}

/** The same where there is no memcmp; such hosts hash at a speed beside which a byte a step is nothing, in the few rows that are zero. */
export function hasOnlyZeros(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** What Node's Buffer has of memchr and memcmp: many times as fast as any loop here, and they take plain Uint8Arrays. */
interface NodeBuffer {
  compare(a: Uint8Array, b: Uint8Array): number;
  readonly prototype: { readonly indexOf: (this: Uint8Array, value: number) => number };
}

function hasBuffer(found: unknown): found is { readonly Buffer: NodeBuffer } {
  return typeof found === "object" && found !== null && "Buffer" in found;
}

function nodeBuffer(): NodeBuffer | undefined {
  const found = builtin("node:buffer");
  return hasBuffer(found) ? found.Buffer : undefined;
}

const native = /* @__PURE__ */ nodeBuffer();

/** Index of the first int8 -128 (byte 0x80), or -1. */
function indexOfMinus128(bytes: Uint8Array): number {
  if (native) return native.prototype.indexOf.call(bytes, 0x80);
  return hasMinus128(bytes) ? bytes.indexOf(0x80) : -1;
}

/** Four bytes a step: x = word ^ 80808080 has a zero byte exactly where (x - 01010101) & ~x has a high bit. */
export function hasMinus128(bytes: Uint8Array): boolean {
  const head = (4 - (bytes.byteOffset % 4)) % 4;
  if (bytes.length < head + 4) return bytes.includes(0x80);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + head, Math.floor((bytes.length - head) / 4));
  let found = 0;
  for (let i = 0; i < words.length; i++) {
    const x = (words[i] ?? 0) ^ 0x80808080;
    found |= (x - 0x01010101) & ~x;
  }
  if ((found & 0x80808080) !== 0) return true;
  return bytes.subarray(0, head).includes(0x80) || bytes.subarray(head + 4 * words.length).includes(0x80);
}
