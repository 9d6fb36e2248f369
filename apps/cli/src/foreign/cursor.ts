/** Reads a header of unknown length front to back, by pieces, and never past the file's end or a limit. */
import type { ByteSource } from "@s7l/format";
import { CliError } from "../errors.ts";

/** Bytes read at once. */
const PIECE = 1 << 16;

export class Cursor {
  private readonly source: ByteSource;
  private readonly limit: number;
  private readonly what: string;
  private view: DataView = new DataView(new ArrayBuffer(0));
  private start = 0;
  /** Offset of the next byte. */
  at = 0;

  /** `limit`: bytes that the header may have; `what`: the file in messages. */
  constructor(source: ByteSource, limit: number, what: string) {
    this.source = source;
    this.limit = Math.min(limit, source.size);
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
    const from = this.at - this.start;
    if (from + length > this.view.byteLength) {
      const bytes = await this.source.read(this.at, Math.min(Math.max(PIECE, length), this.source.size - this.at));
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.start = this.at;
    }
    const offset = this.view.byteOffset + this.at - this.start;
    this.at += length;
    return new DataView(this.view.buffer, offset, length);
  }

  /** Passes over bytes without reading them. */
  skip(length: number, place: string): void {
    this.assertRoom(length, place);
    this.at += length;
    this.view = new DataView(new ArrayBuffer(0));
    this.start = this.at;
  }

  refuse(message: string, at: string): never {
    throw new CliError("foreign", `${this.what}: ${message}`, at);
  }

  private assertRoom(length: number, place: string): void {
    if (length > this.limit - this.at)
      this.refuse(`its header ends within ${place}; the file is cut off, or is none of this kind`, place);
  }
}
