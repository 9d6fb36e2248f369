/** The types of floats that a checkpoint may store its weights in. */

/** By the names that safetensors gives them, in the order of the numbers that the kernel knows them by. */
export const STORED_FLOATS = ["F32", "BF16", "F16"] as const;
export type StoredFloat = (typeof STORED_FLOATS)[number];

/** Whether weights of a type of safetensors can be quantized. */
export const isStoredFloat = (dtype: string): dtype is StoredFloat => STORED_FLOATS.some((type) => type === dtype);

/** Bytes of one. */
export const bytesOfFloat = (type: StoredFloat): 2 | 4 => (type === "F32" ? 4 : 2);

/** Stored floats as bits. */
export type Words = Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Bytes as the words they are; they must be aligned to one. */
export const wordsOf = (type: StoredFloat, { buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): Words =>
  type === "F32"
    ? new Uint32Array(buffer, byteOffset, byteLength / 4)
    : new Uint16Array(buffer, byteOffset, byteLength / 2);

/** The values of stored floats, exactly; those of F32 are a view of the same memory. */
export function decodeFloats(type: StoredFloat, bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  if (type === "F32") return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const words = wordsOf(type, bytes);
  const values = new Float32Array(words.length);
  if (type === "BF16") {
    const bits = new Uint32Array(values.buffer);
    for (let i = 0; i < words.length; i++) bits[i] = (words[i] ?? 0) << 16;
  } else {
    halves ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => halfToFloat(bits));
    for (let i = 0; i < words.length; i++) values[i] = halves[words[i] ?? 0] ?? 0;
  }
  return values;
}

/** The value of every half, made when the first is needed. */
let halves: Float32Array | undefined;

/** The value of an IEEE binary16, exactly: every half is a float. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (fraction + 1024) * 2 ** (exponent - 25);
}
