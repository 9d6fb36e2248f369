import { replayReceipt } from "@s7l/runtime";
import { SignatureError } from "@s7l/verify/signature";
import { ENGINE_FLAGS, withModel } from "../engine-flags.ts";
import { refuseUsage } from "../errors.ts";
import { formatCount, formatSeconds } from "../quantity.ts";
import { readReceiptFile, receiptOf, receiptSigner } from "../receipt-file.ts";
import { isAddress, isArtifactFile, nameOf } from "../source.ts";
import { defineVerb } from "../verb.ts";

export const replay = defineVerb({
  summary: "a receipt run again: whether this artifact computes what it claims, and where it first does not",
  examples: ["s7l replay receipt.json model.s7l", "s7l replay receipt.json model.s7l --key runner.pub --threads 4"],
  positionals: {
    receipt: { description: "what run --receipt wrote; the two may stand in either order" },
    file: { description: "the artifact" },
  },
  flags: {
    ...ENGINE_FLAGS,
    chunk: {
      type: "integer",
      min: 1,
      hint: "N",
      description: "positions a step (default 32); no choice changes a bit",
    },
    key: { type: "text", hint: "PUB", description: "refuse a receipt that this public key has not signed" },
    signature: { type: "text", hint: "FILE", description: "default: the receipt's name and .sig or .minisig" },
    "require-signature": { type: "boolean", description: "refuse a receipt for which no --key vouches" },
  },
  async run({ args, report, progress, signal }) {
    const started = performance.now();
    if (args.signature !== undefined && args.key === undefined)
      refuseUsage("--signature is checked with a key: add --key PUB");
    const turned = isAddress(args.receipt) || (await isArtifactFile(args.receipt));
    const [place, file] = turned ? [args.file, args.receipt] : [args.receipt, args.file];
    const bytes = await readReceiptFile(place);
    if (args["require-signature"] && args.key === undefined)
      throw new SignatureError("signature-missing", "a signature is required, and no --key is given to check it with");
    const signed =
      args.key === undefined
        ? undefined
        : await receiptSigner(place, bytes, { key: args.key, signature: args.signature });
    const receipt = receiptOf(place, bytes);
    const { engine, threads, verdict } = await withModel(file, args, signal, async (model) => {
      const verdict = await replayReceipt(model, receipt, {
        signal,
        onProgress: (done, total) => progress.show("replay", done, total, "tokens"),
        ...(args.chunk === undefined ? {} : { chunk: args.chunk }),
      });
      return { engine: model.engine, threads: model.threads, verdict };
    });
    progress.clear();
    const { logitsDigest, root } = receipt;
    const json = { ...verdict, root, logitsDigest, engine, threads, ...(signed ? { signed } : {}) };
    if (!verdict.ok) {
      report.finish({ json });
      const where = verdict.position === undefined ? "" : ` at position ${verdict.position}`;
      report.complain(
        `replay: ${place} is not what ${nameOf(file)} computes${where}: ${verdict.message} [${verdict.what}]`,
      );
      return 1;
    }
    const { ink } = report;
    report.finish({
      json,
      brief: logitsDigest,
      lines: [
        `${ink.green("the same")} on this machine: ${formatCount(receipt.ids.length)} of ${formatCount(verdict.positions)} positions generated, each by the same logits`,
        `logits        ${ink.bold(logitsDigest)}`,
        `root          ${root}`,
        ...(signed ? [`signed        by key ${signed.key}`] : []),
        ink.dim(
          `${engine}, ${formatCount(threads)} ${threads === 1 ? "thread" : "threads"}, in ${formatSeconds(performance.now() - started)}`,
        ),
      ],
    });
    return 0;
  },
});
