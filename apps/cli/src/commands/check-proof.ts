import { toHex } from "@s7l/format";
import { checkProof as checkAgainst } from "@s7l/verify/proof";
import { refuseUsage } from "../errors.ts";
import { needSmallFile } from "../small-file.ts";
import { withSource } from "../source.ts";
import { defineVerb } from "../verb.ts";

export const checkProof = defineVerb({
  summary: "a proof against a root, and the bytes that it is said to be of",
  examples: ["s7l check-proof norm.proof --root 3f5c…", "s7l check-proof norm.proof --root 3f5c… --bytes norm.bin"],
  positionals: { proof: { description: "the proof" } },
  flags: {
    root: { type: "text", hint: "HEX", required: true, description: "the root of the artifact" },
    bytes: { type: "text", hint: "FILE", description: "the tensor's span, or the chunk" },
  },
  async run({ args: { proof, root, bytes }, report, signal }) {
    if (!/^[0-9a-f]{64}$/i.test(root)) refuseUsage("--root is not 64 hexadecimal digits");
    const claim = await needSmallFile(proof);
    const proven =
      bytes === undefined
        ? checkAgainst(root, claim)
        : await withSource(bytes, signal, async (source) => {
            // A claim alone first: it says how long the bytes are that are worth reading.
            const { length } = checkAgainst(root, claim);
            return checkAgainst(root, claim, await source.read(0, Math.min(source.size, length + 1)));
          });
    const { tensor, component, offset, length, chunk } = proven;
    report.finish({
      json: {
        ok: true,
        root: root.toLowerCase(),
        tensor: tensor.name,
        component: component.name,
        dtype: tensor.dtype,
        shape: tensor.shape,
        chunk: chunk?.index ?? null,
        offset,
        length,
        hash: toHex(chunk?.leaf ?? tensor.root),
        bytes: bytes === undefined ? "not given" : "match",
      },
      brief: tensor.name,
      lines: [
        `${report.ink.bold(tensor.name)} (${tensor.dtype} ${tensor.shape.join(" × ")}) of component ${component.name}`,
        `is under the root ${root.toLowerCase()}`,
        chunk === undefined ? `whole: ${length} bytes` : `chunk ${chunk.index}: ${length} bytes at ${offset}`,
        bytes === undefined ? "no bytes were given: this is about hashes alone" : `${bytes} holds these bytes`,
      ],
    });
    return 0;
  },
});
