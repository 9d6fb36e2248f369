/**
 * A process to be killed: seals the same random weights into the file it is given, a little slower than it could, or does one
 * shard of it. Says `sealing` when it begins and the root when it is done.
 */
import { setTimeout } from "node:timers/promises";
import { fakeGoldens, randomWeights, tinyFold } from "@s7l/fixtures";
import { toHex, type WeightSource } from "@s7l/format";
import { mergeShards, sealFile, sealShard } from "../src/file/index.ts";
import { parseShard } from "../src/index.ts";

const [path = "", task = "all"] = process.argv.slice(2);
const weights = randomWeights({ ...tinyFold("routed"), vocab: 4000 }, 7);
const slow: WeightSource = {
  ...weights,
  span: async function* (tensor) {
    await setTimeout(10);
    yield* weights.span(tensor);
  },
};
const options = { ...fakeGoldens(weights), chunkLog2: 16, saveEvery: 50 };

process.stdout.write("sealing\n");
if (task === "all") {
  const { root } = await sealFile(slow, path, options);
  process.stdout.write(`${toHex(root)}\n`);
} else if (task === "merge") {
  const { root } = await mergeShards(slow, path, options);
  process.stdout.write(`${toHex(root)}\n`);
} else {
  const { resumed } = await sealShard(slow, path, { ...options, shard: parseShard(task) });
  process.stdout.write(`resumed ${resumed}\n`);
}
