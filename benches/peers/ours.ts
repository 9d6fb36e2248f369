/** Our engine as a contestant: `ours.ts SHAPE THREADS wall|cores auto|simd|relaxed`. */
import { bestEngine } from "../../packages/runtime/src/engine/host.ts";
import { widenVectors } from "../../packages/runtime/src/engine/wide-vectors.ts";
import { clockOf } from "./clock.ts";
import { takePart } from "./contest.ts";
import { openOurs } from "./our-turn.ts";

const [, , shape = "", threads = "1", clock, wanted = "auto"] = process.argv;

await takePart(async () => {
  // As the command does.
  const wide = wanted === "auto" && widenVectors() ? " with wide vectors" : "";
  const engine = (wanted === "auto" ? await bestEngine() : wanted) === "relaxed" ? "relaxed" : "simd";
  const turn = await openOurs(shape, engine, Number(threads), clockOf(clock));
  return { about: `Node ${process.version.slice(1)}, ${engine}${wide}, threads ${threads}`, turn };
});
