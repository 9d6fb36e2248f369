import { openFolderCache } from "@s7l/format/file";
import { replayGolden } from "@s7l/runtime";
import { verifyOnThreads } from "@s7l/verify/threads";
import { refuseUsage } from "../errors.ts";
import { formatBytes, formatSeconds } from "../quantity.ts";
import { signatureCheck } from "../signature-file.ts";
import { isAddress, nameOf, withSource } from "../source.ts";
import { threadsToVerify } from "../threads.ts";
import { defineVerb } from "../verb.ts";
import { ruleLines, verdictJson, whyRefused, worthLines } from "../verdict-lines.ts";

export const verify = defineVerb({
  summary: "an artifact by every rule, V0 to V7, each with its verdict",
  examples: [
    "s7l verify model.s7l",
    "s7l verify model.s7l --key release.pub",
    "s7l verify https://models.example/model.s7l --expert 2 --expected-root 3f5c… --cache chunks",
  ],
  positionals: { file: { description: "the artifact: a file, or an address on a server that serves byte ranges" } },
  flags: {
    expert: {
      type: "integer",
      min: 0,
      max: 4095,
      hint: "E",
      description: "the data of one expert alone; prompts are not replayed then",
    },
    "expected-root": { type: "text", hint: "HEX", description: "refuse any artifact but the one with this root" },
    threads: {
      type: "integer",
      min: 1,
      max: 1024,
      hint: "N",
      description: "threads for a file (default: one for each 64 MiB of it, no more than there are cores)",
    },
    cache: {
      type: "text",
      hint: "DIR",
      description:
        "an artifact on a server: keeps verified chunks here, and fetches none that is here and hashes right",
    },
    "no-replay": { type: "boolean", description: "do not run the golden prompts again; V6 then says so" },
    key: { type: "text", hint: "PUB", description: "refuse an artifact that this public key has not signed" },
    signature: { type: "text", hint: "FILE", description: "default: the artifact's name and .sig or .minisig" },
    "require-signature": { type: "boolean", description: "refuse an artifact for which no --key vouches" },
  },
  async run({ args, report, progress, signal }) {
    const { file, expert, "expected-root": expectedRoot } = args;
    if (expectedRoot !== undefined && !/^[0-9a-f]{64}$/i.test(expectedRoot))
      refuseUsage("--expected-root is not 64 hexadecimal digits");
    if (args.signature !== undefined && args.key === undefined)
      refuseUsage("--signature is checked with a key: add --key PUB");
    if (args.cache !== undefined && !isAddress(file))
      refuseUsage("--cache keeps what a server sent; a file on this machine needs none");
    const started = performance.now();
    const signature =
      args.key === undefined ? undefined : await signatureCheck(file, { key: args.key, given: args.signature, signal });
    const cache = args.cache === undefined ? undefined : await openFolderCache(args.cache);
    const { size, verification } = await withSource(file, signal, async (source) => ({
      size: source.size,
      verification: await verifyOnThreads(source, {
        threads: threadsToVerify(source.size, args.threads),
        ...(cache ? { cache, fromCache: true } : {}),
        ...(expectedRoot === undefined ? {} : { expectedRoot: expectedRoot.toLowerCase() }),
        ...(expert === undefined ? {} : { expert }),
        ...(args["no-replay"] ? {} : { replay: (artifact, prompts) => replayGolden(artifact, prompts, { signal }) }),
        ...(signature ? { signature } : {}),
        requireSignature: args["require-signature"],
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
        report.ink.dim(`${nameOf(file)}, ${formatBytes(size)}, in ${formatSeconds(performance.now() - started)}`),
      ],
    });
    if (verification.ok) return 0;
    report.complain(`verify: ${nameOf(file)} is refused: ${whyRefused(verification)}`);
    return 1;
  },
});
