// How fast an artifact of a gigabyte is verified, and loaded into an engine's memory, beside SHA-256 of the same bytes and the stock
// model_signing, in one run: `npm run bench:verify` after a build; an artifact of one's own may be named. Figures are medians of
// interleaved rounds, from a file that is in memory already. A load needs new memory, whose price is the system's and moves: so it is
// timed in processes of its own, beside that memory alone, and the same is done in memory that is there, too. CPU seconds count every
// thread of a process, so they tell what one core would take.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fakeGoldens, randomSpan, randomWeights, tinyFold } from "../packages/fixtures/dist/index.js";
import { openFileSource } from "../packages/format/dist/file/index.js";
import { memorySource, spanLayout } from "../packages/format/dist/index.js";
import { sealFile } from "../packages/pack/dist/file/index.js";
import { openVerified, verify } from "../packages/verify/dist/index.js";
import { publicKeyPem } from "../packages/verify/dist/signature/index.js";
import { generateKey, privateKeyPem } from "../packages/verify/dist/signing/index.js";
import { verifyOnThreads } from "../packages/verify/dist/threads/index.js";
import { findModelSigning } from "./model-signing.mjs";

const ROUNDS = 5;
const folder = mkdtempSync(join(tmpdir(), "s7l-verify-speed-"));

/** A dense model of 16 layers, 4096 wide: 1.07 GB, of random rows. */
async function sealBig(path) {
  const small = tinyFold("dense");
  const [{ stack, ...stage }] = small.stages;
  const kinds = stack.kinds.map((kind) => ({ ...kind, ffn: { ...kind.ffn, width: 5376 } }));
  const stages = [{ ...stage, stack: { kinds, order: Array.from({ length: 16 }, () => 0) } }];
  const fold = { ...small, width: 4096, stages };
  const spans = new Map();
  const spanOf = (tensor) => {
    const shape = `${tensor.dtype} ${tensor.shape}`;
    if (!spans.has(shape)) spans.set(shape, randomSpan(tensor, 1));
    return spans.get(shape);
  };
  const weights = {
    ...randomWeights(fold, 1),
    span: async function* (tensor) {
      const span = spanOf(tensor);
      for (let at = 0; at < span.length; at += 1 << 20) yield span.subarray(at, at + (1 << 20));
    },
  };
  await sealFile(weights, path, fakeGoldens(weights));
}

const packageOf = (name) => JSON.stringify(new URL(`../packages/${name}/dist/index.js`, import.meta.url).href);

/** What a program prints that runs in a process of its own. */
function inNewProcess(program) {
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** What a browser has: WebCrypto or, without it, noble alone; Node's own modules taken away before anything is loaded. */
function withoutNode(path, webCrypto) {
  const times = inNewProcess(`
    const { readFileSync } = await import("node:fs");
    const file = new Uint8Array(readFileSync(${JSON.stringify(path)}));
    const now = () => performance.now();
    delete globalThis.process;
    ${webCrypto ? "" : "delete globalThis.crypto;"}
    const { memorySource } = await import(${packageOf("format")});
    const { verify } = await import(${packageOf("verify")});
    const times = [];
    for (let i = 0; i < 3; i++) {
      const start = now();
      const { ok } = await verify(memorySource(file));
      if (!ok) throw new Error("refused");
      times.push((now() - start) / 1000);
    }
    console.log(JSON.stringify(times));`);
  return median(times);
}

/** What the last statements of a program take in a process that has just begun. */
const timedInNewProcess = (before, act) =>
  inNewProcess(`
    ${before}
    const cpu = process.cpuUsage();
    const start = performance.now();
    ${act}
    const wall = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    console.log(JSON.stringify({ wall, cpu: (user + system) / 1e6 }));
    process.exit();`);

/** A model's first load of a process: what is run is compiled on the way. */
const loadInNewProcess = (path, threads) =>
  timedInNewProcess(
    `const { openFileSource } = await import(${JSON.stringify(new URL("../packages/format/dist/file/index.js", import.meta.url).href)});
    const { openVerified } = await import(${packageOf("verify")});
    const { loadModel } = await import(${packageOf("runtime")});`,
    `await loadModel(await openVerified(await openFileSource(${JSON.stringify(path)})), { engine: "simd", threads: ${threads} });`,
  );

/** What the system alone takes to give so much memory: a byte of each of its pages is written. */
const touchInNewProcess = (size) =>
  timedInNewProcess(
    "",
    `const memory = new Uint8Array(new WebAssembly.Memory({ initial: ${Math.ceil(size / 65536)} }).buffer);
    for (let at = 0; at < memory.length; at += 4096) memory[at] = 1;`,
  );

/** What each case took in each round but the first, in seconds; by turns. */
async function timed(cases) {
  const taken = new Map(Object.keys(cases).map((name) => [name, []]));
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, act] of Object.entries(cases)) {
      const cpu = process.cpuUsage();
      const start = performance.now();
      await act();
      const wall = (performance.now() - start) / 1000;
      const { user, system } = process.cpuUsage(cpu);
      if (round >= 0) taken.get(name).push({ wall, cpu: (user + system) / 1e6 });
    }
  }
  return taken;
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

function readAndHash(path) {
  const descriptor = openSync(path);
  const block = new Uint8Array(1 << 20);
  const hash = createHash("sha256");
  for (let got = readSync(descriptor, block); got > 0; got = readSync(descriptor, block))
    hash.update(block.subarray(0, got));
  closeSync(descriptor);
  return hash.digest();
}

/** Reads every tensor to its place, as an engine does, in memory that has been used before. */
async function readTensors(path, memory) {
  const source = await openFileSource(path);
  const artifact = await openVerified(source);
  let at = 0;
  let underWay;
  for (const tensor of artifact.plan) {
    const { size } = spanLayout(tensor);
    const task = artifact.readInto(tensor.name, memory.subarray(at, at + size));
    await underWay;
    underWay = task;
    at += size;
  }
  await underWay;
  await source.close();
}

async function verifyFile(path, threads) {
  const source = await openFileSource(path);
  const { ok, integrity } = await (threads === undefined ? verify(source) : verifyOnThreads(source, { threads }));
  await source.close();
  if (!ok || integrity !== "whole") throw new Error("the artifact is refused");
}

try {
  const path = process.argv[2] ?? join(folder, "model.s7l");
  if (process.argv[2] === undefined) await sealBig(path);
  const { size } = statSync(path);
  const bytes = new Uint8Array(readFileSync(path));
  const threads = [...new Set([2, Math.max(2, availableParallelism())])];
  const cases = {
    "SHA-256 by node:crypto, from memory": () => createHash("sha256").update(bytes).digest(),
    "verify, from memory": () => verify(memorySource(bytes)),
    "SHA-256 by node:crypto, from the file": () => readAndHash(path),
    "verify, from the file": () => verifyFile(path),
    ...Object.fromEntries(threads.map((n) => [`verify, from the file, on ${n} threads`, () => verifyFile(path, n)])),
  };
  const memory = new Uint8Array(new WebAssembly.Memory({ initial: Math.ceil(size / 65536) }).buffer).fill(1);
  cases["verified load, into memory that is there"] = () => readTensors(path, memory);
  const taken = await timed(cases);
  const inProcesses = {
    "new memory alone, a byte a page": () => touchInNewProcess(size),
    "verified load, into new memory": () => loadInNewProcess(path, 1),
    "verified load, new memory, on 2 threads": () => loadInNewProcess(path, 2),
  };
  const names = Object.keys(inProcesses);
  for (const name of names) taken.set(name, []);
  for (let round = 0; round < ROUNDS; round++) for (const name of names) taken.get(name).push(inProcesses[name]());
  const of = (name, key) => median(taken.get(name).map((one) => one[key]));
  const base = {
    memory: of("SHA-256 by node:crypto, from memory", "wall"),
    file: of("SHA-256 by node:crypto, from the file", "wall"),
  };
  const line = (name, wall, cpu, length = size) => {
    const rate = length / 1e9 / wall;
    const against = (it) => ((rate * it) / (size / 1e9)).toFixed(2).padStart(8);
    const spent = cpu === undefined ? "".padStart(8) : cpu.toFixed(2).padStart(8);
    console.log(
      `${name.padEnd(42)}${rate.toFixed(2).padStart(6)} GB/s${wall.toFixed(2).padStart(8)}${spent}${against(base.memory)}${against(base.file)}`,
    );
  };
  console.log(`${(size / 1e9).toFixed(2)} GB, ${availableParallelism()} cores, Node ${process.version}`);
  console.log(`${"".padEnd(42)}${"".padStart(11)}  wall s   cpu s    of hash from`);
  console.log(`${"".padEnd(42)}${"".padStart(11)}${"".padStart(16)}  memory    file`);
  for (const name of taken.keys()) line(name, of(name, "wall"), of(name, "cpu"));
  line("verify by WebCrypto, no Node, from memory", withoutNode(path, true));
  line("verify by noble alone, from memory", withoutNode(path, false));

  const modelSigning = findModelSigning(join(folder, "venv"));
  if (modelSigning !== undefined) {
    const key = generateKey("p256");
    const at = (name) => join(folder, name);
    writeFileSync(at("key.pem"), privateKeyPem(key));
    writeFileSync(at("key.pub"), publicKeyPem(key.public));
    const tool = (...args) => {
      const start = performance.now();
      const { status, stderr } = spawnSync(modelSigning, args, { encoding: "utf8" });
      if (status !== 0) throw new Error(stderr);
      return (performance.now() - start) / 1000;
    };
    tool("sign", "key", path, "--signature", at("model.sig"), "--private_key", at("key.pem"));
    const check = () => tool("verify", "key", path, "--signature", at("model.sig"), "--public_key", at("key.pub"));
    line("model_signing verify key, from the file", median([check(), check(), check()]));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
