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
  const regions = regionsOf(tensor);
  const { size } = spanLayout(tensor);
  const [rows = 0, columns = 1] = tensor.shape;
  const lively = new Uint8Array(tensor.dtype === "i8" || tensor.dtype === "i8x2" ? rows : 0);
  const word = new Uint8Array(4);
  const wordView = new DataView(word.buffer);
  let position = 0;
  let next = 0;

  const refuse = (message: string, place: string): never => {
    const at = `${tensor.name} ${place}`;
    throw new FormatError("content", `${at}: ${message}`, at);
  };

  const takeRows = (bytes: Uint8Array, from: number): void => {
    const bad = indexOfMinus128(bytes);
    if (bad >= 0) {
      const index = from + bad;
      refuse("-128 is not a value of symmetric int8", `[${Math.floor(index / columns)}, ${index % columns}]`);
    }
    let row = Math.floor(from / columns);
    for (let start = row * columns - from; start < bytes.length; start += columns, row++) {
      if (lively[row] || isZero(bytes, Math.max(start, 0), Math.min(start + columns, bytes.length))) continue;
      lively[row] = 1;
    }
  };

  const takeWords = (bytes: Uint8Array, from: number, take: (bits: number, index: number) => void): void => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let i = 0;
    while (i < bytes.length) {
      const lane = (from + i) % 4;
      if (lane === 0 && i + 4 <= bytes.length) {
        take(view.getUint32(i, true), (from + i) / 4);
        i += 4;
        continue;
      }
      // A word that two pieces share.
      word[lane] = bytes[i] ?? 0;
      if (lane === 3) take(wordView.getUint32(0, true), (from + i - 3) / 4);
      i++;
    }
  };

  const takeScale = (bits: number, row: number): void => {
    if (bits === 0) {
      if (lively[row]) refuse("the scale is zero, but the row is not", `row ${row}`);
    } else if (bits >= 0x7f800000) {
      refuse(
        bits > 0x80000000
          ? "the scale is negative"
          : bits === 0x80000000
            ? "the scale is -0"
            : "the scale is not finite",
        `row ${row}`,
      );
    } else if (bits < 0x00800000) {
      refuse("the scale is subnormal", `row ${row}`);
    } else if (!lively[row]) {
      refuse("the row is zero, but its scale is not", `row ${row}`);
    }
  };

  const takeReal = (bits: number, index: number): void => {
    if ((bits & 0x7f800000) === 0x7f800000) refuse("not a finite number", `[${index}]`);
  };

  const takeZeros = (bytes: Uint8Array): void => {
    const bad = bytes.findIndex((byte) => byte !== 0);
    if (bad >= 0) refuse("padding is not zero", `byte ${position + bad}`);
  };

  const take = (region: Region, bytes: Uint8Array): void => {
    const from = position - region.from;
    if (region.kind === "rows") takeRows(bytes, from);
    else if (region.kind === "scales") takeWords(bytes, from, takeScale);
    else if (region.kind === "reals") takeWords(bytes, from, takeReal);
    else if (region.kind === "zeros") takeZeros(bytes);
  };

  return {
    update: (piece) => {
      if (piece.length > size - position) {
        refuse(`the span is longer than its ${size} bytes`, `byte ${position}`);
      }
      let rest = piece;
      while (rest.length > 0) {
        const region = regions[next];
        if (!region) return;
        const part = rest.subarray(0, region.end - position);
        if (part.length > 0) take(region, part);
        position += part.length;
        rest = rest.subarray(part.length);
        if (position === region.end) next++;
      }
    },
    finish: () => {
      if (position !== size) refuse(`the span ends after ${position} of ${size} bytes`, `byte ${position}`);
    },
  };
}

/** Whether bytes [from, to) are zero: most rows end at their first byte, and rows of zeros go by four. */
function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  if (from < to && bytes[from] !== 0) return false;
  let at = from;
  for (; at < to && (bytes.byteOffset + at) % 4 !== 0; at++) if (bytes[at] !== 0) return false;
  const words = new Int32Array(
    bytes.buffer,
    bytes.byteOffset + at - ((bytes.byteOffset + at) % 4),
    Math.max(0, (to - at) >> 2),
  );
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  for (at += 4 * words.length; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}

type IndexOf = (this: Uint8Array, value: number) => number;

/** Buffer's indexOf is memchr, 20 times as fast as any loop here, and takes a plain Uint8Array. */
function bufferIndexOf(): IndexOf | undefined {
  const found = builtin("node:buffer");
  if (typeof found !== "object" || found === null || !("Buffer" in found)) return undefined;
  const { Buffer } = found as { readonly Buffer?: { readonly prototype?: { readonly indexOf?: IndexOf } } };
  return Buffer?.prototype?.indexOf;
}

const nativeIndexOf = /* @__PURE__ */ bufferIndexOf();

/** Index of the first int8 -128 (byte 0x80), or -1. */
function indexOfMinus128(bytes: Uint8Array): number {
  if (nativeIndexOf) return nativeIndexOf.call(bytes, 0x80);
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
