// Changes a small artifact at random, with hashes rebuilt to any level, and demands that none passes for it: `npm run test:mutations`.
// Arguments: COUNT SEED FIRST. Mutation i follows from SEED + i alone, so any one is found again: `… -- 1 1 123456`.
// Without the root nobody can refuse what was rebuilt to the top: such a file must be whole and canonical under a root of its own.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const packages = join(import.meta.dirname, "..", "packages");
const { attacked, fakeGoldens, randomMutation, tinyWeights } = await import(join(packages, "fixtures/dist/index.js"));
const { equalBytes, memorySink, memorySource } = await import(join(packages, "format/dist/index.js"));
const { seal } = await import(join(packages, "pack/dist/index.js"));
const { verify } = await import(join(packages, "verify/dist/index.js"));

/** Mutations that a worker does between two reports. */
const STEP = 500;
/** A step takes seconds, on a busy machine a minute; a worker that says nothing for this long hangs. */
const PATIENCE_MS = 300_000;
/** Bytes that all workers together may hold. */
const MOST_MEMORY = 1 << 30;

async function sealSmall() {
  const sink = memorySink();
  const weights = tinyWeights("speck");
  await seal(weights, sink, fakeGoldens(weights));
  return sink.bytes().slice();
}

const nothing = { name: "nothing", expect: "pin", mutate: () => undefined };

/** What became of one mutation: the rule that refuses it, "accepted" (without a root), or "wrong: …". */
async function outcomeOf(artifact, { file, level }) {
  if (equalBytes(file, artifact)) return "unchanged";
  const root = artifact.slice(224, 256);
  const pinned = await verify(memorySource(file), { expectedRoot: root });
  if (pinned.ok) return "wrong: accepted under the root of another file";
  const open = await verify(memorySource(file));
  for (const { rules } of [pinned, open])
    if (rules.some(({ ok, code }) => !ok && code === "internal")) return "wrong: an internal error";
  if (!open.ok) return open.broken?.id ?? "wrong: no rule is broken";
  const own = file.slice(224, 256);
  if (level !== "root") return `wrong: accepted, though rebuilt to the level ${level} alone`;
  if (equalBytes(own, root)) return "wrong: two files under one root";
  if (open.integrity !== "whole") return "wrong: accepted in part";
  // One encoding a model: taken apart and put together it is the same file, so nothing in it is unaccounted for.
  if (!equalBytes(attacked(file, nothing, "root"), file)) return "wrong: accepted in another encoding";
  return (await verify(memorySource(file), { expectedRoot: own })).ok
    ? "accepted"
    : "wrong: not accepted by its own root";
}

async function work({ artifact, seed, first, count }) {
  for (let done = 0; done < count; ) {
    const counts = {};
    const wrong = [];
    let slowest = 0;
    for (const end = Math.min(done + STEP, count); done < end; done++) {
      const mutation = randomMutation(artifact, seed + first + done);
      const start = performance.now();
      // A bare error would end the run unheard; here it is one more thing that must not happen.
      const outcome = await outcomeOf(artifact, mutation).catch((error) => `wrong: ${error?.stack ?? error}`);
      slowest = Math.max(slowest, performance.now() - start);
      counts[outcome.split(":")[0]] = (counts[outcome.split(":")[0]] ?? 0) + 1;
      if (outcome.startsWith("wrong")) wrong.push(`mutation ${first + done} (${mutation.story}): ${outcome}`);
    }
    parentPort.postMessage({ done, counts, wrong, slowest });
  }
}

async function main([count = 1_000_000, seed = 1, first = 0]) {
  const artifact = await sealSmall();
  const threads = Math.min(availableParallelism(), Math.ceil(count / STEP));
  const counts = new Map();
  const wrong = [];
  let slowest = 0;
  let memory = 0;
  await Promise.all(
    Array.from({ length: threads }, (_, i) => {
      const from = Math.floor((i * count) / threads);
      const share = Math.floor(((i + 1) * count) / threads) - from;
      return new Promise((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url), {
          workerData: { artifact, seed, first: first + from, count: share },
          resourceLimits: { maxOldGenerationSizeMb: 256 },
        });
        const hangs = () => worker.terminate().then(() => reject(new Error(`worker ${i} hangs`)));
        let watch = setTimeout(hangs, PATIENCE_MS);
        worker.on("message", (step) => {
          clearTimeout(watch);
          watch = setTimeout(hangs, PATIENCE_MS);
          for (const [outcome, n] of Object.entries(step.counts)) counts.set(outcome, (counts.get(outcome) ?? 0) + n);
          wrong.push(...step.wrong);
          slowest = Math.max(slowest, step.slowest);
          memory = Math.max(memory, process.memoryUsage.rss());
        });
        worker.on("error", reject);
        worker.on("exit", () => {
          clearTimeout(watch);
          resolve();
        });
      });
    }),
  );
  const done = [...counts.values()].reduce((sum, n) => sum + n, 0);
  for (const line of wrong.slice(0, 20)) console.log(line);
  const refused = [...counts].filter(([id]) => /^V\d$/.test(id)).sort();
  console.log(
    `${done} mutations of ${artifact.length} bytes, seed ${seed} from ${first}: ${wrong.length} wrong; ` +
      `refused by ${refused.map(([id, n]) => `${id} ${n}`).join(", ")}; ` +
      `${counts.get("accepted") ?? 0} whole under roots of their own, none under the artifact's; ` +
      `${counts.get("unchanged") ?? 0} unchanged; slowest ${slowest.toFixed(0)} ms; peak memory ${Math.round(memory / 2 ** 20)} MiB`,
  );
  process.exitCode = done === count && wrong.length === 0 && memory < MOST_MEMORY ? 0 : 1;
}

if (isMainThread) await main(process.argv.slice(2).map(Number));
else await work(workerData);
