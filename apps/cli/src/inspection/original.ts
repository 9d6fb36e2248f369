/** An artifact of the public original: what is in it, which of its hashes recompute, and what none of them proves. */
import type { ByteSource } from "@s7l/format";
import { readOriginalArtifact, UNPROVEN } from "../foreign/original-artifact.ts";
import { formatBytes, formatCount } from "../quantity.ts";
import { type DescribeOptions, type Description, table } from "./table.ts";

export async function describeOriginal(source: ByteSource, options: DescribeOptions): Promise<Description> {
  const artifact = await readOriginalArtifact(source);
  const { version, root, rootRecomputes, lanes, subRoots, tensors } = artifact;
  const { ink } = options;
  const repeated = lanes.filter(({ id }, i) => lanes.findIndex((lane) => lane.id === id) < i).map(({ name }) => name);
  const held = (holds: boolean): string => (holds ? ink.green("recomputes") : ink.red("DOES NOT RECOMPUTE"));
  return {
    json: { format: "s7l", ...artifact, size: source.size, repeatedLanes: repeated, cannotProve: UNPROVEN },
    lines: [
      `an S7L artifact of the public original, version ${version}, class ${hex(artifact.class)}, flags ${hex(artifact.flags)}, ${formatBytes(source.size)}`,
      `root  ${ink.bold(root)}  ${held(rootRecomputes)}`,
      ...table(
        "lanes",
        lanes.map(({ id, name, size, intact }) => [`${id} ${name}`, formatBytes(size), `its hash ${held(intact)}`]),
        options,
      ),
      ...(repeated.length > 0 ? ["", ink.red(`lanes that occur twice: ${repeated.join(", ")}`)] : []),
      ...table(
        "sub-roots, as stated",
        subRoots.map((subRoot, i) => [String(i), subRoot]),
        options,
      ),
      ...table(
        `${formatCount(tensors.length)} tensors, one scale each`,
        tensors.map(({ name, shape, scale }) => [name, `[${shape.join(", ")}]`, `scale ${scale}`]),
        options,
      ),
      ...table(
        "what this version cannot prove",
        UNPROVEN.map((line) => [line]),
        options,
      ),
      "",
      ink.dim("it cannot be run or verified here: build the checkpoint that it came from again, as version 3"),
    ],
  };
}

const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, "0")}`;
