/** A GGUF file, by its header. */
import type { ByteSource } from "@s7l/format";
import { type GgufValue, readGguf } from "../foreign/gguf.ts";
import { formatBytes, formatCount } from "../quantity.ts";
import { type DescribeOptions, type Description, table } from "./table.ts";

export async function describeGguf(source: ByteSource, file: string, options: DescribeOptions): Promise<Description> {
  const { version, metadata, tensors } = await readGguf(source, file);
  return {
    json: { format: "gguf", version, size: source.size, metadata: Object.fromEntries(metadata), tensors },
    lines: [
      `${options.ink.bold(file)}, a GGUF file of version ${version}, ${formatBytes(source.size)}`,
      ...table(
        "metadata",
        [...metadata].map(([key, value]) => [key, spell(value)]),
        options,
      ),
      ...table(
        `${formatCount(tensors.length)} tensors`,
        tensors.map(({ name, type, shape, length }) => [name, type, `[${shape.join(", ")}]`, formatBytes(length)]),
        options,
      ),
      "",
      options.ink.dim(
        "the header is well-formed; nothing vouches for the numbers, and only checkpoints in safetensors can be built",
      ),
    ],
  };
}

/** Room for a value on a line. */
const WIDTH = 60;

function spell(value: GgufValue): string {
  if (typeof value === "object") return `${formatCount(value.items)} items`;
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > WIDTH ? `${text.slice(0, WIDTH)}…` : text;
}
