import { toHex } from "@s7l/format";
import { writeFileWhole } from "@s7l/format/file";
import { openVerified } from "@s7l/verify";
import { prove as proveTensor } from "@s7l/verify/proof";
import { assertOutputs } from "../outputs.ts";
import { formatBytes } from "../quantity.ts";
import { withSource } from "../source.ts";
import { defineVerb } from "../verb.ts";

export const prove = defineVerb({
  summary: "a proof that a tensor, or a chunk of it, is in an artifact; check-proof needs the root alone",
  examples: ["s7l prove model.s7l --tensor model.norm.weight --out norm.proof"],
  positionals: { file: { description: "the artifact, a file or an address" } },
  flags: {
    tensor: { type: "text", hint: "NAME", required: true, description: "the tensor" },
    chunk: { type: "integer", min: 0, hint: "N", description: "one chunk of it; without, the whole tensor" },
    out: { type: "text", hint: "FILE", short: "o", required: true, description: "the proof" },
  },
  async run({ args: { file, tensor, chunk, out }, report, signal }) {
    await assertOutputs([out], [file]);
    const { root, proof } = await withSource(file, signal, async (source) => {
      const artifact = await openVerified(source, { signal });
      const proof = await proveTensor(artifact, chunk === undefined ? { tensor } : { tensor, chunk });
      return { root: toHex(artifact.root), proof };
    });
    await writeFileWhole(out, proof);
    report.finish({
      json: { root, tensor, chunk: chunk ?? null, proof: out, bytes: proof.length },
      brief: out,
      lines: [`${out}, ${formatBytes(proof.length)}, under the root ${report.ink.bold(root)}`],
    });
    return 0;
  },
});
