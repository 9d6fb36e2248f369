// Flips single bits of the sealed s7-mini, chosen by a seed, and demands that each is refused by a rule: `npm run test:flips`.
// The exhaustive test is on a small artifact (packages/verify); this is the same on a real one. Arguments: COUNT SEED.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memorySource } from "../packages/format/dist/index.js";
import { verify } from "../packages/verify/dist/index.js";

const [count = 10_000, seed = 1] = process.argv.slice(2).map(Number);
const root = join(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "s7l-flips-"));

function sealed() {
  const file = join(folder, "s7-mini.s7l");
  const cli = join(root, "apps", "cli", "bin", "s7l.js");
  execFileSync(process.execPath, [
    cli,
    "build",
    join(root, "models", "s7-mini", "checkpoints"),
    "--out",
    file,
    "--quiet",
  ]);
  return new Uint8Array(readFileSync(file));
}

/** Places below `limit`, spread by a 48-bit linear congruential generator (that of POSIX drand48). */
function* places(limit) {
  let state = (BigInt(seed) << 16n) | 0x330en;
  for (;;) {
    state = (state * 0x5deece66dn + 0xbn) & 0xffff_ffff_ffffn;
    yield Number((state * BigInt(limit)) >> 48n);
  }
}

try {
  const bytes = sealed();
  const whole = await verify(memorySource(bytes));
  if (!whole.ok) throw new Error("the untouched artifact is refused");
  const broken = new Map();
  let done = 0;
  let accepted = 0;
  let slowest = 0;
  for (const place of places(bytes.length * 8)) {
    if (done++ === count) break;
    const mask = 1 << (place % 8);
    const at = Math.floor(place / 8);
    bytes[at] ^= mask;
    const start = performance.now();
    const { ok, broken: rule } = await verify(memorySource(bytes));
    slowest = Math.max(slowest, performance.now() - start);
    bytes[at] ^= mask;
    if (ok || !rule) {
      accepted++;
      console.log(`bit ${place % 8} of byte ${at} passed`);
    } else broken.set(rule.id, (broken.get(rule.id) ?? 0) + 1);
  }
  const rules = [...broken].sort().map(([id, n]) => `${id} ${n}`);
  console.log(
    `${count} flips of ${bytes.length} bytes: ${accepted} accepted; refused by ${rules.join(", ")}; slowest ${slowest.toFixed(0)} ms`,
  );
  process.exitCode = accepted === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
