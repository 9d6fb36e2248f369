/** A plan as tables. */
import type { Comparison, GroupTensor, Plan, PublishedModel, TensorGroup, TrainingBudget } from "@s7l/quantize";
import type { Ink } from "../ink.ts";
import { table } from "../inspection/table.ts";
import { formatBytes, formatCount } from "../quantity.ts";

/** Parameters, bytes, components, experts, cache, tiles. */
export function planLines(plan: Plan, ink: Ink): readonly string[] {
  const { parameters, bytes, expert, cache, tiles, notes } = plan;
  const options = { ink, all: true };
  const share = (part: number): string => `${((100 * part) / parameters.total).toFixed(1)} %`;
  return [
    ...table(
      "parameters",
      [
        ["total", formatCount(parameters.total), ""],
        ["active a token", formatCount(parameters.active), share(parameters.active)],
        ["active without embeddings", formatCount(parameters.activeNonEmbedding), share(parameters.activeNonEmbedding)],
        ...componentRows(plan).map(([name, count]) => [`  ${name}`, formatCount(count), share(count)]),
        ...(parameters.buffers > 0 ? [["buffers, not counted", formatCount(parameters.buffers), ""]] : []),
      ],
      options,
    ),
    ...table(
      "bytes",
      [
        ["FP32", formatCount(bytes.fp32), formatBytes(bytes.fp32)],
        ["BF16", formatCount(bytes.bf16), formatBytes(bytes.bf16)],
        ["INT8", formatCount(bytes.int8), `${formatBytes(bytes.int8)}, one byte a parameter`],
        [
          "INT8, padded to 32",
          formatCount(bytes.padded),
          `${formatBytes(bytes.padded)}, of the tensors that inference needs`,
        ],
        [
          "sealed",
          formatCount(bytes.sealed),
          `${formatBytes(bytes.sealed)}, with scales, two-plane routers, f32 vectors`,
        ],
        ...(expert
          ? [
              [
                `one expert of ${expert.count}`,
                formatCount(expert.bytes),
                `${formatBytes(expert.bytes)}, ${formatCount(expert.parameters)} parameters`,
              ],
              ["all but the experts", formatCount(expert.others), formatBytes(expert.others)],
            ]
          : []),
      ],
      options,
    ),
    ...table(
      "key-value cache of a session (keys 12 bits in int16, values int8, with scales)",
      cache.map(({ context, bytes: size, visible }) => [
        `${formatCount(context)} positions`,
        formatCount(size),
        visible < size ? `${formatBytes(size)}; windows see ${formatBytes(visible)} of it` : formatBytes(size),
      ]),
      options,
    ),
    ...table(
      "tiles of 32 × 32",
      [
        ["bytes of a tile", formatCount(tiles.tileBytes), `${tiles.tilesInL1} in 32 KiB of L1`],
        ["tiles", formatCount(tiles.tiles), `${(100 * tiles.fill).toFixed(2)} % of their bytes are weights`],
        ["ragged matrices", String(tiles.ragged.length), tiles.ragged.join(", ")],
      ],
      options,
    ),
    ...notes.flatMap((note) => ["", ink.dim(note)]),
  ];
}

/** Experts of one size stand in one row. */
function componentRows({ parameters: { components } }: Plan): readonly (readonly [string, number])[] {
  const experts = components.filter(({ name }) => name.startsWith("expert"));
  const rows = components.filter((component) => !experts.includes(component));
  const [first] = experts;
  const equal = experts.every(({ parameters }) => parameters === first?.parameters);
  const expertRows =
    first && equal ? [{ name: `each of ${experts.length} experts`, parameters: first.parameters }] : experts;
  return [...rows, ...expertRows].map(({ name, parameters }) => [
    name === "unused" ? "not needed by inference" : name,
    parameters,
  ]);
}

/** The layout of every kind of layer: seed 001 §8's table, for any model. */
export function layoutLines(groups: readonly TensorGroup[], ink: Ink): readonly string[] {
  return groups.flatMap(({ title, times, tensors }) => {
    const sum = (of: (tensor: GroupTensor) => number): string =>
      formatCount(tensors.reduce((n, tensor) => n + of(tensor) * tensor.copies, 0));
    const rows = tensors.map(({ name, dtype, shape, numel, padded, bytes, copies }) => [
      name,
      `[${shape.join(", ")}]`,
      formatCount(numel),
      formatCount(padded),
      formatCount(bytes),
      copies > 1 ? `${dtype} × ${copies}` : dtype,
    ]);
    return table(
      times > 1 ? `${title} (× ${times})` : title,
      [
        ["tensor", "shape", "numel", "padded", "sealed", ""],
        ...rows,
        ["sum", "", sum(({ numel }) => numel), sum(({ padded }) => padded), sum(({ bytes }) => bytes), ""],
      ],
      { ink, all: true },
    );
  });
}

/** A training budget, and how it was reckoned. */
export function trainingLines(
  { tokens, flops, gpuHours, wallHours, cost }: TrainingBudget,
  { gpus, tflops, utilisation }: { readonly gpus: number; readonly tflops: number; readonly utilisation: number },
  ink: Ink,
): readonly string[] {
  return table(
    `training: 6 · N · D operations at ${100 * utilisation} % of ${tflops} TFLOP/s`,
    [
      ["tokens (D)", tokens.toPrecision(4), ""],
      [
        "parameters a token meets (N)",
        formatCount(Math.round(flops / tokens / 6)),
        "active, without a lookup-only embedding",
      ],
      ["operations", flops.toExponential(3), ""],
      ["GPU-hours", formatCount(Math.round(gpuHours)), ""],
      ["wall-clock", `${wallHours.toFixed(1)} h`, `${(wallHours / 24).toFixed(1)} days on ${gpus} GPUs`],
      ["cost", formatCount(Math.round(cost)), ""],
    ],
    { ink, all: true },
  );
}

/** What a seed publishes beside what its shapes give. */
export function comparisonLines(
  { seed }: PublishedModel,
  comparisons: readonly Comparison[],
  ink: Ink,
): readonly string[] {
  const wrong = comparisons.filter(({ agrees }) => !agrees).length;
  const rows = comparisons.map(({ section, what, published, ours, difference, agrees, note }) => [
    `${section}: ${what}`,
    published,
    formatFigure(ours, published),
    agrees ? "" : formatDifference(difference),
    agrees ? ink.green("agrees") : `${ink.yellow("differs")}${note === undefined ? "" : `: ${note}`}`,
  ]);
  return [
    ...table(`seed ${seed}: published beside ours`, [["figure", "published", "ours", "difference", ""], ...rows], {
      ink,
      all: true,
    }),
    "",
    `${comparisons.length - wrong} of ${comparisons.length} published figures follow from the shapes, ${wrong} do not`,
  ];
}

function formatFigure(value: number, published: string): string {
  if (published.endsWith("%")) return `${(100 * value).toFixed(1)} %`;
  return formatCount(Number.isInteger(value) ? value : Number(value.toPrecision(3)));
}

const formatDifference = (difference: number): string =>
  difference > 9.995
    ? `× ${(difference + 1).toFixed(1)}`
    : `${difference > 0 ? "+" : ""}${(100 * difference).toFixed(1)} %`;
