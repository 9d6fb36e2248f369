/** A safetensors file, by its header, read as strictly as for quantizing. */
import type { ByteSource } from "@s7l/format";
import { readSafetensors } from "@s7l/quantize";
import { formatBytes, formatCount } from "../quantity.ts";
import { type DescribeOptions, type Description, table } from "./table.ts";

export async function describeSafetensors(
  source: ByteSource,
  file: string,
  options: DescribeOptions,
): Promise<Description> {
  const stored = await readSafetensors(source, file);
  const tensors = stored.map(({ name, dtype, shape, offset, length }) => ({ name, dtype, shape, offset, length }));
  const elements = tensors.reduce((sum, { shape }) => sum + shape.reduce((n, size) => n * size, 1), 0);
  return {
    json: { format: "safetensors", size: source.size, elements, tensors },
    lines: [
      `${options.ink.bold(file)}, a safetensors file, ${formatBytes(source.size)}, ${formatCount(elements)} numbers in ${formatCount(tensors.length)} tensors`,
      ...table(
        "tensors, in the order of their bytes",
        tensors.map(({ name, dtype, shape, length }) => [name, dtype, `[${shape.join(", ")}]`, formatBytes(length)]),
        options,
      ),
      "",
      options.ink.dim("the header is well-formed; nothing vouches for the numbers"),
    ],
  };
}
