/** A sealed artifact: its front, which is verified before any of it is shown. */
import {
  type ByteSource,
  type Fold,
  HEADER_SIZE,
  readHeader,
  readSectionTable,
  SECTION_ENTRY_SIZE,
  type Stack,
  type Stage,
  sectionName,
  toHex,
} from "@s7l/format";
import { openVerified, type VerifiedArtifact } from "@s7l/verify";
import { oneLine } from "../printable.ts";
import { formatBytes, formatCount } from "../quantity.ts";
import { type DescribeOptions, type Description, plain, table } from "./table.ts";

const LANES = ["", "DICT", "FIELD", "LANE", "EDGE", "BATCH"];

/** Describes an artifact. Throws VerifyError where its front breaks a rule: unverified names and shapes are not shown. */
export async function describeArtifact(source: ByteSource, options: DescribeOptions): Promise<Description> {
  const artifact = await openVerified(source);
  const header = readHeader(await source.read(0, HEADER_SIZE));
  const entries = readSectionTable(await source.read(HEADER_SIZE, header.sectionCount * SECTION_ENTRY_SIZE));
  const sections = entries.map(({ type, lane, offset, size, digest }) => ({
    name: sectionName(type) ?? String(type),
    lane: LANES[lane] ?? String(lane),
    offset,
    size,
    digest: toHex(digest),
  }));
  const tensors = artifact.plan.map(({ name, component }) => {
    const { dtype, shape, offset, length, root } = artifact.record(name);
    const { method, sources, sha256 } = artifact.provenance(name);
    return {
      name,
      dtype,
      shape,
      component,
      offset,
      length,
      root: toHex(root),
      method,
      sources,
      sourceSha256: toHex(sha256),
    };
  });
  const { fold, lexical, meta, policy, abi, vocabulary, golden, components } = artifact;
  const { tokenizer, vocab, ...special } = vocabulary;
  const json = {
    format: "s7l",
    version: header.version,
    root: toHex(artifact.root),
    size: artifact.size,
    class: header.class,
    flags: header.flags,
    chunkBytes: 2 ** header.chunkLog2,
    sections,
    meta,
    policy,
    abi: plain(abi),
    fold: plain(fold),
    ...(lexical ? { lexical } : {}),
    vocabulary: { ...special, tokenizerBytes: tokenizer?.length ?? 0, vocabBytes: vocab?.length ?? 0 },
    golden: plain(golden),
    components: plain(components),
    tensors,
  };
  const lines = [
    `${options.ink.bold(oneLine(meta.name))}, an S7L artifact of version ${header.version}, ${formatBytes(artifact.size)}`,
    `root  ${options.ink.bold(json.root)}`,
    ...table(
      "sections",
      sections.map(({ name, lane, offset, size }) => [name, lane, formatBytes(size), `at ${offset}`]),
      options,
    ),
    ...table("fold", foldRows(artifact), options),
    ...table(
      "components",
      components.map(({ name, tensors, size, root }) => [
        name,
        `${tensors} ${tensors === 1 ? "tensor" : "tensors"}`,
        formatBytes(size),
        `root ${toHex(root).slice(0, 16)}…`,
      ]),
      options,
    ),
    ...table(
      "tensors",
      tensors.map(({ name, dtype, shape, length, method }) => [
        name,
        dtype,
        `[${shape.join(", ")}]`,
        formatBytes(length),
        method,
      ]),
      options,
    ),
    "",
    options.ink.dim("the front of the file is verified; the tensors are not: s7l verify checks every byte"),
  ];
  return { json, lines };
}

function foldRows({
  fold,
  lexical,
  policy,
  meta,
  vocabulary,
  golden,
}: VerifiedArtifact): readonly (readonly string[])[] {
  const text = vocabulary.tokenizer ? "tokenizer.json" : vocabulary.vocab ? "vocab.json" : "none: token ids alone";
  return [
    ["vocabulary", `${formatCount(fold.vocab)} tokens, ${text}`],
    ["context", `${formatCount(policy.maxContext)} positions`],
    ["width", formatCount(fold.width)],
    ...stageRows(fold),
    ["head", fold.head.kind === "tied" ? "the embedding" : "a matrix of its own"],
    ...(lexical
      ? [["routing", `by the text: ${[...lexical.domains, lexical.fallback].map(({ name }) => name).join(", ")}`]]
      : []),
    ...(meta.createdFrom === undefined ? [] : [["created from", meta.createdFrom]]),
    ["golden", `${golden.length} prompts`],
  ];
}

function stageRows({ stages }: Fold): readonly (readonly string[])[] {
  return stages.map(describeStage);
}

function describeStage(stage: Stage): readonly string[] {
  switch (stage.kind) {
    case "layers":
      return ["layers", describeStack(stage.stack)];
    case "project":
      return ["project", `to width ${formatCount(stage.width)}`];
    case "routed":
      return ["routed", `one of ${stage.experts} experts a position, each ${describeStack(stage.stack)}`];
  }
}

function describeStack({ kinds, order }: Stack): string {
  const described = kinds.map(({ attention: { heads, kvHeads, keySize, project, window }, ffn }, kind) => {
    const count = order.filter((it) => it === kind).length;
    const attention = `${project.kind} ${heads}/${kvHeads} heads of ${keySize}${window === undefined ? "" : `, window ${window}`}`;
    const inner =
      ffn.kind === "experts"
        ? `${ffn.used} of ${ffn.count} experts of ${ffn.expert.width}`
        : `${ffn.kind} ${ffn.width}`;
    return `${count} × (${attention}; ffn ${inner})`;
  });
  return described.join(" + ");
}
