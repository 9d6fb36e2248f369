// Holds the sealed s7-mini to its float32 reference on the held-out texts beside it: `npm run test:quality` after a build.
// Perplexity at most +0.5 % in each domain, next-token and reasoning accuracy at least 98 % of float32's, routes identical.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFileSource } from "../packages/format/dist/file/index.js";
import { dequantize, evaluate, loadModel, openSession, requireTokenizer, STX } from "../packages/runtime/dist/index.js";
import { openVerified } from "../packages/verify/dist/index.js";

const root = join(import.meta.dirname, "..");
const model = join(root, "models", "s7-mini");
const readJson = (...path) => JSON.parse(readFileSync(join(model, ...path), "utf8"));
const reference = readJson("reference.json");
const folder = mkdtempSync(join(tmpdir(), "s7l-quality-"));
const broken = [];

/** Prints a figure beside its bound, and remembers what breaks it. */
function hold(what, figure, ok) {
  console.log(`${ok ? "ok  " : "FAIL"} ${what.padEnd(28)}${figure}`);
  if (!ok) broken.push(what);
}

/** log p of each of two continuations' first token, compared. */
async function answers(loaded, { prompt, answer }) {
  const { encode } = requireTokenizer(loaded);
  const body = openSession(loaded).begin(STX);
  const logits = dequantize(await body.forward(encode(prompt)));
  body.end();
  const at = (word) => logits[encode(word)[0]];
  return (at(" yes") > at(" no") ? "yes" : "no") === answer;
}

try {
  const file = join(folder, "s7-mini.s7l");
  const cli = join(root, "apps", "cli", "bin", "s7l.js");
  execFileSync(process.execPath, [cli, "build", join(model, "checkpoints"), "--out", file, "--quiet"]);
  const source = await openFileSource(file);
  const loaded = await loadModel(await openVerified(source));
  for (const domain of ["code", "math", "reason", "general"]) {
    const texts = readJson("eval", `${domain}.json`);
    const { perplexity, top1 } = await evaluate(
      loaded,
      texts.map(({ ids }) => ids),
    );
    const { ppl_f32, next_token_accuracy_f32 } = reference[domain];
    const change = 100 * (perplexity / ppl_f32 - 1);
    hold(
      `${domain}: perplexity`,
      `${perplexity.toFixed(4)}, ${change.toFixed(3)} % above ${ppl_f32.toFixed(4)}`,
      change <= 0.5,
    );
    const share = (100 * top1) / next_token_accuracy_f32;
    hold(`${domain}: next token`, `${top1.toFixed(4)}, ${share.toFixed(2)} % of float32's`, share >= 98);
    let strays = 0;
    for (const { ids, routes } of texts) {
      const body = openSession(loaded).begin(STX);
      await body.forward(ids);
      if (body.routes.join("") !== routes) strays++;
      body.end();
    }
    hold(`${domain}: routes`, `${texts.length - strays} of ${texts.length} texts identical`, strays === 0);
  }
  const items = readJson("eval", "task-reason.json");
  let right = 0;
  for (const item of items) if (await answers(loaded, item)) right++;
  right /= items.length;
  const share = (100 * right) / reference.tasks_f32.reason_accuracy;
  hold("reasoning", `${right}, ${share.toFixed(1)} % of float32's ${reference.tasks_f32.reason_accuracy}`, share >= 98);
  await source.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = broken.length === 0 ? 0 : 1;
