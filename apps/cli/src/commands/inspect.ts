import { basename } from "node:path";
import type { ByteSource } from "@s7l/format";
import { CliError } from "../errors.ts";
import { describeArtifact } from "../inspection/artifact.ts";
import { describeOriginal } from "../inspection/original.ts";
import { describeSafetensors } from "../inspection/safetensors.ts";
import type { Description } from "../inspection/table.ts";
import { withSource } from "../source.ts";
import { defineVerb } from "../verb.ts";

export const inspect = defineVerb({
  summary: "what a file holds: an artifact, an artifact of the original (v1, v2), a safetensors file",
  examples: ["s7l inspect model.s7l", "s7l inspect model.safetensors --tensors"],
  positionals: { file: { description: "the file" } },
  flags: { tensors: { type: "boolean", description: "every tensor, however many" } },
  async run({ args: { file, tensors }, report }) {
    const { json, lines } = await withSource(file, (source) =>
      describe(source, file, { ink: report.ink, all: tensors }),
    );
    report.finish({ json, lines });
    return 0;
  },
});

async function describe(
  source: ByteSource,
  file: string,
  options: Parameters<typeof describeArtifact>[1],
): Promise<Description> {
  const head = await source.read(0, Math.min(16, source.size));
  const magic = String.fromCharCode(...head.subarray(0, 4));
  if (magic === "S7LM") {
    const version = new DataView(head.buffer, head.byteOffset, head.length).getUint16(4);
    return version === 1 || version === 2 ? describeOriginal(source, options) : describeArtifact(source, options);
  }
  if (magic === "GGUF") throw new CliError("refused", `${file} is a GGUF file, which this version cannot read`, file);
  // A safetensors file begins with the length of its header, a u64, and the header with a brace (or spaces).
  if (head.length >= 9 && /^[{ ]/.test(String.fromCharCode(head[8] ?? 0)))
    return describeSafetensors(source, basename(file), options);
  throw new CliError("foreign", `${file} is neither an artifact nor a safetensors file`, file);
}
