/** Reads a header of unknown length front to back, by pieces, and never past the file's end or a limit. */
import type { ByteSource } from "@s7l/format";
import { CliError } from "../errors.ts";

/** Bytes read at once. */
const PIECE = 1 << 16;

export class Cursor {
  private readonly source: ByteSource;
  private readonly limit: number;
  private keep: number;
  private readonly what: string;
  private view: DataView = new DataView(new ArrayBuffer(0));
  private start = 0;
  /** Offset of the next byte. */
  at = 0;

  /** `header`: bytes that it may have; `kept`: bytes of texts that may be read from it; `what`: the file in messages. */
  constructor(source: ByteSource, { header, kept }: { readonly header: number; readonly kept: number }, what: string) {
    this.source = source;
    this.limit = Math.min(header, source.size);
    this.keep = kept;
    this.what = what;
  }

  async u32(place: string): Promise<number> {
    return (await this.take(4, place)).getUint32(0, true);
  }

  /** A u64 of at most 2^53 - 1, compared before it becomes a number. */
  async u64(place: string): Promise<number> {
    const value = (await this.take(8, place)).getBigUint64(0, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      this.refuse(`${place} is ${value}, more than any file can hold`, place);
    return Number(value);
  }

  /** UTF-8 of at most `most` bytes, after its length as a u64. */
  async text(most: number, place: string): Promise<string> {
    const length = await this.u64(`the length of ${place}`);
    if (length > most) this.refuse(`${place} has ${length} bytes; ${most} are allowed`, place);
    this.keep -= length;
    if (this.keep < 0) this.refuse(`its names and texts are longer than those of any model`, place);
    const bytes = await this.take(length, place);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      return this.refuse(`${place} is not UTF-8`, place);
    }
  }

  /** The next bytes. Throws CliError `foreign` where the header ends before. */
  async take(length: number, place: string): Promise<DataView> {
    this.assertRoom(length, place);
    const held = this.held(length);
    if (held) return held;
    const bytes = await this.source.read(this.at, Math.min(Math.max(PIECE, length), this.source.size - this.at));
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.start = this.at;
    return this.held(length) ?? this.refuse(`${length} bytes of ${place} could not be read`, place);
  }

  /** The next bytes, where they lie in the piece that was read last. */
  private held(length: number): DataView | undefined {
    const from = this.at - this.start;
    if (from + length > this.view.byteLength) return undefined;
    this.at += length;
    return new DataView(this.view.buffer, this.view.byteOffset + from, length);
  }

  /** Passes over bytes without reading them. */
  skip(length: number, place: string): void {
    this.assertRoom(length, place);
    this.at += length;
  }

  /** Passes over texts of at most `most` bytes, each after its length as a u64. Waits only where bytes must come. */
  async skipTexts(count: number, most: number, place: string): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.assertRoom(8, place);
      const length = (this.held(8) ?? (await this.take(8, place))).getBigUint64(0, true);
      if (length > most) this.refuse(`a text of ${place} has ${length} bytes; ${most} are allowed`, place);
      this.skip(Number(length), place);
    }
  }

  refuse(message: string, at: string): never {
    throw new CliError("foreign", `${this.what}: ${message}`, at);
  }

  private assertRoom(length: number, place: string): void {
    if (length > this.limit - this.at)
      this.refuse(`its header ends within ${place}; the file is cut off, or is none of this kind`, place);
  }
}
