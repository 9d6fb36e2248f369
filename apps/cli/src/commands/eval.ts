import { createFileSink, openFileSource } from "@s7l/format/file";
import { type Evaluation, evaluate, type Model, sequencesOf } from "@s7l/runtime";
import { ENGINE_FLAGS, withModel } from "../engine-flags.ts";
import { refuseUsage } from "../errors.ts";
import { assertOutputs } from "../outputs.ts";
import { formatCount } from "../quantity.ts";
import { assertKnownIds, readSequences, readText } from "../token-file.ts";
import { defineVerb } from "../verb.ts";

export const evaluation = defineVerb({
  summary: "perplexity of a text or of token ids; with reference logits, the divergence",
  examples: ["s7l eval model.s7l --text book.txt", "s7l eval model.s7l --ids ids.json --against reference.f32 --json"],
  positionals: { file: { description: "the artifact" } },
  flags: {
    text: { type: "text", hint: "FILE", description: "a text to score, in pieces as long as the context" },
    ids: {
      type: "text",
      hint: "FILE",
      description: "token ids to score: a JSON array of arrays, each from its own start",
    },
    logits: {
      type: "text",
      hint: "FILE",
      description: "writes the logits of every position, float32 [positions, vocab]",
    },
    against: {
      type: "text",
      hint: "FILE",
      description: "reference logits in the same layout: adds mean KL and top-1 agreement",
    },
    ...ENGINE_FLAGS,
  },
  async run({ args, report, progress, signal }) {
    if ((args.text === undefined) === (args.ids === undefined)) refuseUsage("give either --text FILE or --ids FILE");
    await assertOutputs([args.logits], [args.file, args.text, args.ids, args.against]);
    const sequences = await inputOf(args);
    const result = await withModel(args.file, args, signal, async (model) => {
      const against = args.against === undefined ? undefined : await openFileSource(args.against);
      const logits = args.logits === undefined ? undefined : await createFileSink(args.logits, { mode: 0o644 });
      try {
        const wanted = sequences(model);
        if (!(logits || against || wanted.some(({ length }) => length > 1)))
          refuseUsage("there is nothing to score: a token is predicted by those before it, and no sequence has two");
        const scores = await evaluate(model, wanted, {
          ...(logits ? { logits } : {}),
          ...(against ? { against } : {}),
          signal,
          onProgress: (done, total) => progress.show("evaluate", done, total, "tokens"),
        });
        await logits?.commit();
        return scores;
      } finally {
        progress.clear();
        await logits?.abort();
        await against?.close();
      }
    });
    report.finish({
      json: result,
      ...(result.tokens > 0 ? { brief: String(result.perplexity) } : {}),
      lines: linesOf(result),
    });
    return 0;
  },
});

/** Reads the input before the model, which takes longer. A text becomes ids only once there is a tokenizer. */
async function inputOf({ text, ids }: { readonly text: string | undefined; readonly ids: string | undefined }) {
  const sequences = ids === undefined ? undefined : await readSequences(ids);
  const written = text === undefined ? "" : await readText(text);
  return (model: Model) => {
    if (ids === undefined || !sequences) return sequencesOf(model, written);
    assertKnownIds(ids, sequences, model.vocab);
    return sequences;
  };
}

function linesOf({ tokens, nll, perplexity, top1, kl, top1Agreement }: Evaluation): readonly string[] {
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  return [
    `tokens      ${formatCount(tokens)}${tokens === 0 ? ", as none stands after another" : ""}`,
    ...(tokens === 0
      ? []
      : [`mean nll    ${nll.toFixed(5)}`, `perplexity  ${perplexity.toFixed(4)}`, `top-1       ${percent(top1)}`]),
    ...(kl === undefined ? [] : [`mean KL     ${kl.toFixed(6)}`]),
    ...(top1Agreement === undefined ? [] : [`agreement   ${percent(top1Agreement)}`]),
  ];
}
