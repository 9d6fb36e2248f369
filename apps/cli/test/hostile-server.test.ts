/** Servers and addresses of strangers: what is signed or listed is what was verified, and each refusal is one sentence. */
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { s7l } from "./binary.ts";
import { MINI } from "./folder.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let folder: string;
let artifact: Buffer;
const close: (() => void)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-hostile-"));
  const out = join(folder, "mini.s7l");
  expect(await s7l(["build", join(MINI, "checkpoints"), "--out", out])).toMatchObject({ code: 0 });
  expect(await s7l(["keygen", "--out", join(folder, "p256")])).toMatchObject({ code: 0 });
  artifact = await readFile(out);
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  for (const end of close.splice(0)) end();
});

/** A server of one file, here. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  close.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
}

/** A server of ranges that flips the byte at `at` whenever it is asked for after the first so many times. */
function turning(at: number, honest: number): Promise<string> {
  let asked = 0;
  return serve((request, response) => {
    const [, first, last] = (/^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? []).map(Number);
    if (first === undefined || last === undefined) return void response.writeHead(404).end();
    const body = Buffer.from(artifact.subarray(first, last + 1));
    if (first <= at && at <= last && ++asked > honest) body[at - first] = (body[at - first] ?? 0) ^ 1;
    const range = `bytes ${first}-${first + body.length - 1}/${artifact.length}`;
    response.writeHead(206, { "content-range": range, etag: '"same"' }).end(body);
  });
}

describe("a server that turns", () => {
  test.each([0, 1])("has signed no other bytes than it was verified by, honest %d times", async (honest) => {
    const base = await turning(artifact.length - 200_000, honest);
    const out = join(folder, `turned-${honest}.sig`);
    const told = await s7l(["sign", `${base}/mini.s7l`, "--key", join(folder, "p256.key"), "--out", out]);
    expect(told).toMatchObject({ code: 1, stderr: expect.stringMatching(/V3, .*\[chunk/) });
    await expect(stat(out)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("has no bill made of it", async () => {
    const base = await turning(artifact.length - 200_000, 0);
    expect(await s7l(["inspect", `${base}/mini.s7l`, "--bom"])).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("[chunk"),
    });
  });
});

describe("an address", () => {
  test.each([
    ["malformed", "http://[::1/x", '"http://[::1/x" is not an address [usage]'],
    [
      "of no name",
      "http://127.0.0.1:1/%E0%A4%A",
      '"%E0%A4%A" in the address is no name: what stands after % is not UTF-8 [usage]',
    ],
    [
      "with a password",
      "http://user:secret@127.0.0.1:1/x",
      '"…@127.0.0.1:1/x" is not an address that is taken: leave out its name and password [usage]',
    ],
  ])("%s is refused in one sentence that shows no password, with a key and without", async (_, place, sentence) => {
    const key = ["--key", join(folder, "p256.pub")];
    const given = ["--signature", join(folder, "mini.s7l")];
    for (const flags of [key, [...key, ...given]])
      expect(await s7l(["verify", place, ...flags])).toEqual({
        code: 2,
        stdout: "",
        stderr: `s7l verify: ${sentence}\n`,
      });
    const told = await s7l(["run", place, "--prompt", "a"]);
    expect(told).toMatchObject({ code: 2, stdout: "" });
    expect(told.stderr).not.toContain("secret");
    expect(told.stderr.split("\n")).toHaveLength(2);
  });

  test("with the signature beside it led astray is refused by name", async () => {
    const base = await serve((_, response) => response.writeHead(302, { location: "file:///etc/passwd" }).end());
    const told = await s7l(["verify", `${base}/mini.s7l`, "--key", join(folder, "p256.pub")]);
    expect(told).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/mini\.s7l\.sig cannot be fetched: .*scheme/),
    });
  });
});
