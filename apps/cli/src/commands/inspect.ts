import { basename } from "node:path";
import type { ByteSource } from "@s7l/format";
import { openVerified } from "@s7l/verify";
import { CliError, refuseUsage } from "../errors.ts";
import { describeArtifact } from "../inspection/artifact.ts";
import { billOf } from "../inspection/bom.ts";
import { describeGguf } from "../inspection/gguf.ts";
import { describeOriginal } from "../inspection/original.ts";
import { describeSafetensors } from "../inspection/safetensors.ts";
import type { Description } from "../inspection/table.ts";
import { withSource } from "../source.ts";
import { defineVerb } from "../verb.ts";
import { version } from "../version.ts";

export const inspect = defineVerb({
  summary: "what a file holds: an artifact, an artifact of the original (v1, v2), safetensors, GGUF",
  examples: [
    "s7l inspect model.s7l",
    "s7l inspect model.safetensors --tensors",
    "s7l inspect model.s7l --bom > model.cdx.json",
  ],
  positionals: { file: { description: "the file" } },
  flags: {
    tensors: { type: "boolean", description: "every tensor, however many" },
    bom: { type: "boolean", description: "a bill of materials (CycloneDX 1.6 JSON) of an artifact, and nothing else" },
  },
  async run({ args: { file, tensors, bom }, report, signal }) {
    if (tensors && bom) refuseUsage("--tensors and --bom exclude each other: a bill lists no tensors");
    const work = (source: ByteSource): Promise<Description> =>
      bom ? describeBill(source, signal) : describe(source, file, { ink: report.ink, all: tensors });
    const { json, lines } = await withSource(file, signal, work);
    // What a file holds is the result, and nothing beside it.
    report.finish({ json, lines, brief: lines.join("\n") });
    return 0;
  },
});

/** Only of what verifies, to its last byte: a bill of a file that lies about itself would be worth nothing. */
async function describeBill(source: ByteSource, signal: AbortSignal): Promise<Description> {
  const artifact = await openVerified(source, { signal });
  const bill = billOf(artifact, await artifact.digest({ signal }), { version: version() });
  return { json: bill, lines: JSON.stringify(bill, undefined, 2).split("\n") };
}

async function describe(
  source: ByteSource,
  file: string,
  options: Parameters<typeof describeArtifact>[1],
): Promise<Description> {
  const head = await source.read(0, Math.min(16, source.size));
  const magic = String.fromCharCode(...head.subarray(0, 4));
  if (magic === "S7LM") {
    const version = head.length < 6 ? undefined : new DataView(head.buffer, head.byteOffset).getUint16(4);
    return version === 1 || version === 2 ? describeOriginal(source, options) : describeArtifact(source, options);
  }
  if (magic === "GGUF") return describeGguf(source, basename(file), options);
  // A safetensors file begins with the length of its header, a u64, and the header with a brace (or spaces).
  if (head.length >= 9 && /^[{ ]/.test(String.fromCharCode(head[8] ?? 0)))
    return describeSafetensors(source, basename(file), options);
  throw new CliError("foreign", `${file} is neither an artifact, nor safetensors, nor GGUF`, file);
}
