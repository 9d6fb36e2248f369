import { replayGolden } from "@s7l/runtime";
import { verify as verifyArtifact } from "@s7l/verify";
import { CliError, refuseUsage } from "../errors.ts";
import { formatBytes, formatSeconds } from "../quantity.ts";
import { brokenRule } from "../sealing.ts";
import { withSource } from "../source.ts";
import { defineVerb } from "../verb.ts";
import { ruleLines, verdictJson, worthLines } from "../verdict-lines.ts";

export const verify = defineVerb({
  summary: "an artifact by every rule, V0 to V7, each with its verdict",
  examples: ["s7l verify model.s7l", "s7l verify model.s7l --expert 2 --expected-root 3f5c…"],
  positionals: { file: { description: "the artifact" } },
  flags: {
    expert: {
      type: "integer",
      min: 0,
      max: 4095,
      hint: "E",
      description: "the data of one expert alone; prompts are not replayed then",
    },
    "expected-root": { type: "text", hint: "HEX", description: "refuse any artifact but the one with this root" },
    "no-replay": { type: "boolean", description: "do not run the golden prompts again; V6 then says so" },
    key: { type: "text", hint: "PUB", description: "public key that must have signed the root" },
    "require-signature": { type: "boolean", description: "refuse an artifact without a valid signature" },
  },
  async run({ args, report, progress, signal }) {
    const { file, expert, "expected-root": expectedRoot } = args;
    if (expectedRoot !== undefined && !/^[0-9a-f]{64}$/i.test(expectedRoot))
      refuseUsage("--expected-root is not 64 hexadecimal digits");
    // Until signatures can be checked, asking for one must not look like having one.
    if (args.key !== undefined || args["require-signature"])
      throw new CliError(
        "refused",
        "a signature is required, but this version cannot check signatures; pin the root with --expected-root instead",
      );
    const started = performance.now();
    const { size, verification } = await withSource(file, async (source) => ({
      size: source.size,
      verification: await verifyArtifact(source, {
        ...(expectedRoot === undefined ? {} : { expectedRoot: expectedRoot.toLowerCase() }),
        ...(expert === undefined ? {} : { expert }),
        ...(args["no-replay"] ? {} : { replay: (artifact, prompts) => replayGolden(artifact, prompts, { signal }) }),
        onProgress: ({ chunks, total }) => progress.show("verify", chunks, total, "chunks"),
        signal,
      }),
    }));
    progress.clear();
    report.finish({
      json: verdictJson(verification),
      ...(verification.ok && verification.root !== undefined ? { brief: verification.root } : {}),
      lines: [
        ...ruleLines(verification, report.ink),
        "",
        ...worthLines(verification, report.ink),
        `root          ${verification.root === undefined ? "none that recomputes" : report.ink.bold(verification.root)}`,
        report.ink.dim(`${file}, ${formatBytes(size)}, in ${formatSeconds(performance.now() - started)}`),
      ],
    });
    if (verification.ok) return 0;
    report.complain(`verify: ${file} is refused: ${brokenRule(verification)}`);
    return 1;
  },
});
