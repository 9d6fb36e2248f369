/** Our engine as a contestant: `ours.ts SHAPE THREADS wall|cores auto|simd|relaxed`. */
import { bestEngine } from "../../packages/runtime/src/engine/host.ts";
import { clockOf } from "./clock.ts";
import { takePart } from "./contest.ts";
import { openOurs } from "./our-turn.ts";

const [, , shape = "", threads = "1", clock, wanted = "auto"] = process.argv;

await takePart(async () => {
  const engine = (wanted === "auto" ? await bestEngine() : wanted) === "relaxed" ? "relaxed" : "simd";
  const turn = await openOurs(shape, engine, Number(threads), clockOf(clock));
  return { about: `Node ${process.version.slice(1)}, ${engine}, threads ${threads}`, turn };
});
