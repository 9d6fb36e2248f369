/** Who vouches for an artifact, and what of it: keys, signatures, proofs, servers, bills of materials. */
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { objectOf, type RunOptions, s7l } from "./binary.ts";
import { MINI } from "./folder.ts";
import { writeCheckpoint } from "./tiny-checkpoint.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let folder: string;
/** Small, as most of this is done to it dozens of times. */
let file: string;
let root: string;
/** With experts, and several chunks. */
let mini: string;
let miniRoot: string;
let other: string;

const at = (name: string): string => join(folder, name);

/** Runs to a result that is wanted. */
async function ok(words: readonly string[], options?: RunOptions): Promise<Record<string, unknown>> {
  const outcome = await s7l([...words, "--json"], options);
  expect(outcome).toMatchObject({ code: 0, stderr: "" });
  return objectOf(outcome);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-trust-"));
  file = at("model.s7l");
  await writeCheckpoint(at("tiny"));
  root = String((await ok(["build", at("tiny"), "--out", file])).root);
  mini = at("mini.s7l");
  miniRoot = String((await ok(["build", join(MINI, "checkpoints"), "--out", mini])).root);
  other = at("other.s7l");
  await copyFile(file, other);
  await chmod(other, 0o644);
  const bytes = await readFile(other);
  bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1;
  await writeFile(other, bytes);
});
afterAll(() => rm(folder, { recursive: true }));

describe.each([
  ["p256", [], "model.s7l.sig", "oms"],
  ["minisign", ["--kind", "minisign"], "model.s7l.minisig", "minisign"],
] as const)("a %s key", (name, kind, signature, form) => {
  test("is made once, its secret half for its owner alone", async () => {
    await ok(["keygen", "--out", at(name), ...kind]);
    expect((await stat(at(`${name}.key`))).mode & 0o777).toBe(0o600);
    expect(await s7l(["keygen", "--out", at(name), ...kind])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("is there already"),
    });
  });

  test.each(["key", "pub"])("leaves no half of itself where a .%s is there already, which stays", async (half) => {
    const lone = `${name}-lone-${half}`;
    await writeFile(at(`${lone}.${half}`), "somebody's");
    expect(await s7l(["keygen", "--out", at(lone), ...kind])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${lone}.${half} is there already`),
    });
    expect((await readdir(folder)).filter((it) => it.startsWith(lone))).toEqual([`${lone}.${half}`]);
    expect(await readFile(at(`${lone}.${half}`), "utf8")).toBe("somebody's");
  });

  test("signs, and verify says by which key", async () => {
    expect(await ok(["sign", file, "--key", at(`${name}.key`)])).toMatchObject({ root, signature: at(signature) });
    const verdict = await ok(["verify", file, "--no-replay", "--key", at(`${name}.pub`), "--require-signature"]);
    expect(verdict).toMatchObject({ ok: true, authenticity: "signed", signature: { ok: true, kind: form } });
    const told = await s7l(["verify", file, "--no-replay", "--key", at(`${name}.pub`)]);
    expect(told.stdout).toMatch(/authenticity {2}signed/);
  });

  test("of someone else does not vouch", async () => {
    await ok(["keygen", "--out", at(`${name}-else`), ...kind]);
    const told = await s7l(["verify", file, "--no-replay", "--key", at(`${name}-else.pub`), "--json"]);
    expect(told).toMatchObject({ code: 1, stderr: expect.stringContaining("[key-other]") });
    expect(objectOf(told)).toMatchObject({ ok: false, integrity: "whole", authenticity: "refused" });
  });

  test("does not sign what does not verify", async () => {
    expect(await s7l(["sign", other, "--key", at(`${name}.key`)])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/does not verify: V3/),
    });
  });

  test("has its signature refused with a byte changed, cut off, empty, or missing", async () => {
    const whole = await readFile(at(signature));
    const changed = Buffer.from(whole);
    changed[whole.length - 60] = (changed[whole.length - 60] ?? 0) ^ 1;
    const verifyWith = (given: string) =>
      s7l(["verify", file, "--no-replay", "--key", at(`${name}.pub`), "--signature", given]);
    for (const [spoilt, bytes] of [
      ["changed", changed],
      ["cut", whole.subarray(0, 50)],
      ["empty", Buffer.of()],
    ] as const) {
      await writeFile(at(spoilt), bytes);
      expect(await verifyWith(at(spoilt))).toMatchObject({ code: 1, stderr: expect.stringMatching(/\[signature-/) });
    }
    expect(await verifyWith(at("nowhere"))).toMatchObject({ code: 2, stderr: expect.stringContaining("[io") });
  });
});

test.each(["p256.pub", "minisign.pub"])("sign says of %s that it is a public key", async (name) => {
  const message = `${at(name)} is a public key, which verifies: sign with the private key that it belongs to`;
  expect(await s7l(["sign", file, "--key", at(name), "--out", at("by-public.sig")])).toEqual({
    code: 2,
    stdout: "",
    stderr: `s7l sign: ${message} [key-kind]\n`,
  });
  await expect(stat(at("by-public.sig"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("sign drops no comment: a P-256 key has no place for one", async () => {
  const out = at("commented.sig");
  expect(await s7l(["sign", file, "--key", at("p256.key"), "--comment", "release 1", "--out", out])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /--comment goes with a minisign key, which s7l keygen --kind minisign makes.*\[usage\]/,
    ),
  });
  await expect(stat(out)).rejects.toMatchObject({ code: "ENOENT" });
});

describe("verify, closed", () => {
  /** Artifacts with nothing beside them, with a signature, and with one of another file. */
  beforeAll(async () => {
    await copyFile(file, at("lone.s7l"));
    await copyFile(other, at("broken.s7l"));
    await copyFile(at("model.s7l.sig"), at("broken.s7l.sig"));
    await copyFile(file, at("misnamed.s7l"));
    await copyFile(at("model.s7l.minisig"), at("misnamed.s7l.sig"));
    await writeFile(at("no.pub"), "hello");
    await writeFile(at("empty.pub"), "");
  });

  test.each<[string, string, readonly string[], 1 | 2, string]>([
    ["a key, and no signature", "lone.s7l", ["--key", "p256.pub"], 1, "signature-missing"],
    ["a minisign key, and no signature", "lone.s7l", ["--key", "minisign.pub"], 1, "signature-missing"],
    ["a signature required, and no key", "lone.s7l", ["--require-signature"], 1, "signature-missing"],
    ["a signature beside it, and no key", "model.s7l", ["--require-signature"], 1, "signature-missing"],
    [
      "a pinned root is no signature",
      "lone.s7l",
      ["--require-signature", "--expected-root", "ROOT"],
      1,
      "signature-missing",
    ],
    ["another key", "model.s7l", ["--key", "p256-else.pub"], 1, "key-other"],
    [
      "another key, with the right root",
      "model.s7l",
      ["--key", "p256-else.pub", "--expected-root", "ROOT"],
      1,
      "key-other",
    ],
    ["a key of the other kind", "model.s7l", ["--key", "minisign.pub", "--signature", "model.s7l.sig"], 1, "key-kind"],
    ["a signature of the other kind", "misnamed.s7l", ["--key", "p256.pub"], 1, "key-kind"],
    ["a broken file with a good signature", "broken.s7l", ["--key", "p256.pub"], 1, "chunk"],
    ["another root", "model.s7l", ["--expected-root", "0".repeat(64)], 1, "root-unexpected"],
    [
      "another root, though it is signed",
      "model.s7l",
      ["--key", "p256.pub", "--expected-root", "0".repeat(64)],
      1,
      "root-unexpected",
    ],
    ["a root cut short", "model.s7l", ["--expected-root", "5f3a"], 2, "usage"],
    ["an empty root", "model.s7l", ["--expected-root="], 2, "usage"],
    ["a key that is none", "model.s7l", ["--key", "no.pub"], 2, "key-form"],
    ["an empty key file", "model.s7l", ["--key", "empty.pub"], 2, "key-form"],
    ["a private key for a public one", "model.s7l", ["--key", "p256.key"], 2, "key-form"],
    ["no key file", "model.s7l", ["--key", "nowhere.pub"], 2, "io"],
    ["no signature file where one is named", "model.s7l", ["--key", "p256.pub", "--signature", "nowhere"], 2, "io"],
    ["a signature without a key", "model.s7l", ["--signature", "model.s7l.sig"], 2, "usage"],
    ["an expert, of a model that has none", "lone.s7l", ["--expert", "0"], 2, "option"],
    ["a cache for a file", "model.s7l", ["--cache", "chunks"], 2, "usage"],
  ])("refuses %s", async (_, name, flags, code, word) => {
    const place = (flag: string): string => (/\.(pub|key|sig)$|^nowhere$/.test(flag) ? at(flag) : flag);
    const words = flags.map((flag) => (flag === "ROOT" ? root : place(flag)));
    const told = await s7l(["verify", at(name), "--no-replay", "--threads", "2", ...words, "--json"]);
    expect(told).toMatchObject({ code, stderr: expect.stringContaining(`[${word}`) });
    if (code === 1) expect(objectOf(told)).toMatchObject({ ok: false });
  });

  test("says where the signature would lie", async () => {
    for (const [key, ending] of [
      ["p256", "sig"],
      ["minisign", "minisig"],
    ] as const) {
      const { stderr } = await s7l(["verify", at("lone.s7l"), "--no-replay", "--key", at(`${key}.pub`)]);
      const message = `a signature is required, and ${at(`lone.s7l.${ending}`)} is not there: --signature FILE names another`;
      expect(stderr).toBe(`s7l verify: ${at("lone.s7l")} is refused: ${message} [signature-missing]\n`);
    }
  });

  test("accepts what is signed and pinned", async () => {
    const words = ["--key", at("p256.pub"), "--require-signature", "--expected-root", root];
    expect(await ok(["verify", file, ...words, "--threads", "2"])).toMatchObject({ ok: true, authenticity: "signed" });
  });
});

describe.each([
  ["p256", [], []],
  ["minisign", ["--kind", "minisign"], ["--comment", "release 1"]],
] as const)("an encrypted %s key", (name, kind, comment) => {
  const key = `locked-${name}`;
  const signature = `${key}.signature`;

  test("signs with its password, from a file or the environment, and with no other", async () => {
    await writeFile(at("password"), "correct horse\nsecond line\n");
    await ok(["keygen", "--out", at(key), ...kind, "--password-file", at("password")]);
    expect(await readFile(at(`${key}.key`), "utf8")).toMatch(/ENCRYPTED PRIVATE KEY|minisign encrypted secret key/);
    const sign = ["sign", file, "--key", at(`${key}.key`), "--out", at(signature), ...comment];
    expect(await s7l(sign)).toMatchObject({ code: 2, stderr: expect.stringContaining("[key-password]") });
    await ok([...sign, "--password-file", at("password")]);
    await ok(sign, { env: { S7L_KEY_PASSWORD: "correct horse" } });
    const told = await s7l(sign, { env: { S7L_KEY_PASSWORD: "wrong" } });
    expect(told).toMatchObject({ code: 2, stdout: "" });
    expect(told.stderr).toMatch(
      /^s7l sign: the password is not this key's, or the key file is damaged \[key-password\]\n$/,
    );
    const verdict = ["verify", file, "--no-replay", "--key", at(`${key}.pub`), "--signature", at(signature)];
    expect(await ok(verdict)).toMatchObject({ authenticity: "signed" });
  });
});

describe("a proof", () => {
  test("holds by the root alone, with the bytes and without, and is short", async () => {
    const [, name = ""] = /"name":"(expert1[^"]*weight)"/.exec(JSON.stringify(await ok(["inspect", mini]))) ?? [];
    const { bytes } = await ok(["prove", mini, "--tensor", name, "--chunk", "0", "--out", at("one.proof")]);
    expect(bytes).toBeLessThan(4096);
    const claim = await ok(["check-proof", at("one.proof"), "--root", miniRoot]);
    expect(claim).toMatchObject({
      ok: true,
      root: miniRoot,
      tensor: name,
      component: "expert1",
      chunk: 0,
      bytes: "not given",
    });
    const artifact = await readFile(mini);
    await writeFile(at("other.bin"), artifact.subarray(0, Number(claim.length)));
    expect(await s7l(["check-proof", at("one.proof"), "--root", miniRoot, "--bytes", at("other.bin")])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("[bytes"),
    });
    expect(await s7l(["check-proof", at("one.proof"), "--root", "0".repeat(64)])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("[root"),
    });
    expect(await s7l(["check-proof", at("one.proof"), "--root", "00"])).toMatchObject({ code: 2 });
  });

  test("of a tensor that is not there is not made", async () => {
    expect(await s7l(["prove", mini, "--tensor", "nowhere", "--out", at("no.proof")])).toMatchObject({ code: 1 });
    await expect(stat(at("no.proof"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("an artifact on a plain static file server", () => {
  let server: Server;
  let base: string;
  let sent = 0;

  beforeAll(async () => {
    await ok(["sign", mini, "--key", at("p256.key")]);
    server = createServer(async (request, response) => {
      const [path = ""] = (request.url ?? "/").split("?");
      const bytes = await readFile(join(folder, decodeURIComponent(path).slice(1))).catch(() => undefined);
      if (!bytes) return void response.writeHead(404).end();
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
      if (from === undefined) return void response.writeHead(200).end(bytes);
      const body = bytes.subarray(Number(from), Number(to) + 1);
      sent += body.length;
      const range = `bytes ${from}-${Number(from) + body.length - 1}/${bytes.length}`;
      response.writeHead(206, { "content-range": range, etag: `"${bytes.length}"` }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    base = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test("is signed where it is said to", async () => {
    const address = `${base}/model.s7l`;
    expect(await s7l(["sign", address, "--key", at("p256.key")])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("say by --out FILE where its signature goes [usage]"),
    });
    for (const name of ["p256", "minisign"]) {
      await ok(["sign", `${address}?v=1`, "--key", at(`${name}.key`), "--out", at(`far-${name}`)]);
      const words = ["--no-replay", "--key", at(`${name}.pub`), "--signature", at(`far-${name}`)];
      expect(await ok(["verify", file, ...words])).toMatchObject({ authenticity: "signed" });
    }
    expect(await readFile(at("far-minisign.root"))).toEqual(await readFile(at("model.s7l.root")));
  });

  test("says where its signature would lie, without what is secret in the address", async () => {
    const told = await s7l(["verify", `${base}/lone.s7l?token=x`, "--no-replay", "--key", at("p256.pub")]);
    expect(told.code).toBe(1);
    expect(told.stderr).toContain(`and ${base}/lone.s7l.sig?… is not there`);
    expect(told.stderr).not.toContain("token");
  });

  test("verifies, signature and all", async () => {
    const verdict = await ok(["verify", `${base}/mini.s7l`, "--key", at("p256.pub"), "--expected-root", miniRoot]);
    expect(verdict).toMatchObject({ ok: true, root: miniRoot, integrity: "whole", authenticity: "signed" });
  });

  test("is fetched once where there is a cache, whose chunks are hashed again", async () => {
    const cached = ["verify", `${base}/mini.s7l`, "--no-replay", "--cache", at("chunks"), "--expected-root", miniRoot];
    await ok(cached);
    sent = 0;
    expect(await ok(cached)).toMatchObject({ ok: true, integrity: "whole", authenticity: "pinned" });
    const front = sent;
    expect(front).toBeLessThan((await stat(mini)).size / 4);
    // A chunk that has changed in the cache is fetched again, and put right.
    const entries = await readdir(at("chunks"), { recursive: true, withFileTypes: true });
    const [entry] = entries.filter((found) => found.isFile() && found.name.length === 64);
    if (!entry) throw new Error("the cache is empty");
    const chunk = join(entry.parentPath, entry.name);
    const bytes = await readFile(chunk);
    await writeFile(
      chunk,
      bytes.map((byte) => byte ^ 1),
    );
    sent = 0;
    expect(await ok(cached)).toMatchObject({ ok: true, integrity: "whole" });
    expect(sent).toBe(front + bytes.length);
    expect(await readFile(chunk)).toEqual(bytes);
  });

  test("gives one expert for less than the whole", async () => {
    sent = 0;
    const verdict = await ok(["verify", `${base}/mini.s7l`, "--expert", "1"]);
    expect(verdict).toMatchObject({ ok: true, integrity: "partial" });
    expect(sent).toBeLessThan((await stat(mini)).size);
  });

  test("has no expert but its own, which breaks no rule", async () => {
    const told = await s7l(["verify", mini, "--expert", "4", "--json"]);
    const message = "the artifact has 4 experts, from 0 on";
    expect(told).toMatchObject({ code: 2, stderr: `s7l verify: ${message} [option]\n` });
    expect(objectOf(told)).toEqual({ error: { code: "option", message } });
  });

  test("runs, to the same text as the file", async () => {
    const prompt = ["--prompt", "23 + 45 =", "--max-tokens", "3"];
    const [near, far] = [await ok(["run", mini, ...prompt]), await ok(["run", `${base}/mini.s7l`, ...prompt])];
    expect(far).toMatchObject({ text: near.text, logitsDigest: near.logitsDigest });
  });

  test("that is not there, or a server that is not, is a matter of reading", async () => {
    expect(await s7l(["verify", `${base}/nowhere.s7l`])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("[status"),
    });
    expect(await s7l(["verify", "http://127.0.0.1:9/x.s7l"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("[unreachable"),
    });
  });
});

describe("a bill of materials", () => {
  test("is valid CycloneDX 1.6, and the same each time", async () => {
    const bill = await s7l(["inspect", file, "--bom"]);
    expect(bill).toMatchObject({ code: 0, stderr: "" });
    expect((await s7l(["inspect", file, "--bom"])).stdout).toBe(bill.stdout);
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
    expect(await validator.validate(bill.stdout)).toBeNull();
    // The validator is one: it sees what is wrong.
    expect(await validator.validate(bill.stdout.replace("machine-learning-model", "model"))).not.toBeNull();
    const { metadata } = JSON.parse(bill.stdout);
    const digest = createHash("sha256")
      .update(await readFile(file))
      .digest("hex");
    expect(metadata.component.hashes).toEqual([{ alg: "SHA-256", content: digest }]);
    expect(bill.stdout).toContain(root);
  });

  test("is not made of a file whose front does not verify", async () => {
    const bytes = await readFile(file);
    bytes[400] = (bytes[400] ?? 0) ^ 1;
    await writeFile(at("front.s7l"), bytes);
    expect(await s7l(["inspect", at("front.s7l"), "--bom"])).toMatchObject({ code: 1, stdout: "" });
  });
});
