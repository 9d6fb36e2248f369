import { randomBytes } from "node:crypto";
import { equalBytes, memorySource, toHex } from "@s7l/format";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type Fault, type FileServer, gzipped, serveFile, serveRedirect } from "../../test/file-server.ts";
import { sealWide } from "../../test/seal-wide.ts";
import { openVerified, verify } from "../verify.ts";
import { type HttpOptions, openHttpSource } from "./http-source.ts";

const QUICK: HttpOptions = { attempts: 3, backoff: 1, patience: 200 };
const file = new Uint8Array(randomBytes(300_000));
const open: FileServer[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});

async function serve(bytes: Uint8Array, fault?: Fault): Promise<FileServer> {
  const server = await serveFile(bytes, fault);
  open.push(server);
  return server;
}

describe("a plain static file server", () => {
  test("gives any range", async () => {
    const { url } = await serve(file);
    const source = await openHttpSource(url);
    expect(source.size).toBe(file.length);
    for (const [offset, length] of [
      [0, 256],
      [0, file.length],
      [65_530, 20],
      [200_000, 70_000],
      [file.length - 1, 1],
      [5, 0],
    ] as const) {
      expect(equalBytes(await source.read(offset, length), file.subarray(offset, offset + length))).toBe(true);
    }
    const target = new Uint8Array(100_000).fill(7);
    await source.readInto(1000, target.subarray(10, 99_990));
    expect(equalBytes(target.subarray(10, 99_990), file.subarray(1000, 100_980))).toBe(true);
    expect([target[9], target[99_990]]).toEqual([7, 7]);
  });

  test("refuses a range outside the file without asking", async () => {
    const { url, asked } = await serve(file);
    const source = await openHttpSource(url);
    await expect(source.read(file.length - 1, 2)).rejects.toMatchObject({ name: "FormatError", code: "range" });
    await expect(source.read(-1, 2)).rejects.toMatchObject({ code: "range" });
    await expect(source.readInto(file.length, new Uint8Array(1))).rejects.toMatchObject({ code: "range" });
    expect(asked.length).toBe(1);
  });

  test("is asked once for many small reads in one place", async () => {
    const { url, asked } = await serve(file);
    const source = await openHttpSource(url);
    for (let at = 0; at < 65_536; at += 4096) await source.read(at, 100);
    expect(asked.length).toBe(1);
    for (let at = 131_072; at < 196_000; at += 4096) await source.read(at, 100);
    expect(asked.length).toBe(2);
  });

  test("is asked for no more than 16 MiB at a time", async () => {
    const large = new Uint8Array((1 << 25) + 70_000).map((_, i) => (i * 31) >> 8);
    const { url, asked } = await serve(large);
    const source = await openHttpSource(url);
    const ranges = [
      [65_530, 65_530 + (1 << 24) - 1],
      [65_530 + (1 << 24), 65_530 + (1 << 25) - 1],
      [65_530 + (1 << 25), 65_530 + (1 << 25) + 4],
    ];
    const wanted = large.subarray(65_530, 65_530 + (1 << 25) + 5);
    expect(equalBytes(await source.read(65_530, wanted.length), wanted)).toBe(true);
    expect(asked.slice(1).map(({ first, last }) => [first, last])).toEqual(ranges);
    const target = new Uint8Array(wanted.length);
    await source.readInto(65_530, target);
    expect(equalBytes(target, wanted)).toBe(true);
    expect(asked.slice(4).map(({ first, last }) => [first, last])).toEqual(ranges);
  });

  test("is asked for one byte to see that the file is the same", async () => {
    const { url, asked } = await serve(file);
    const source = await openHttpSource(new URL(url));
    expect(source.etag).toBe('"one"');
    await source.assertUnchanged();
    expect(asked.slice(1).map(({ first, last }) => [first, last])).toEqual([[0, 0]]);
  });

  test("is asked for the file's own bytes, and sent the caller's headers", async () => {
    const { url, asked } = await serve(file);
    await openHttpSource(url, { headers: { authorization: "Bearer token" } });
    expect(asked[0]?.request.headers).toMatchObject({
      range: "bytes=0-65535",
      "accept-encoding": "identity",
      authorization: "Bearer token",
    });
  });

  test("serves a file that is shorter than the first request", async () => {
    const { url } = await serve(file.subarray(0, 10));
    const source = await openHttpSource(url);
    expect(source.size).toBe(10);
    expect(await source.read(0, 10)).toEqual(file.slice(0, 10));
  });

  test("is read on after failures that pass", async () => {
    const { url, asked } = await serve(file, ({ index, response }, _, reply) => {
      if (index === 0) response.writeHead(503, { "retry-after": "0" }).end();
      else if (index === 1) response.destroy();
      else if (index === 3) reply({ "content-length": "100" }, file.subarray(0, 100));
      else reply();
    });
    const source = await openHttpSource(url, QUICK);
    expect(equalBytes(await source.read(100_000, 70_000), file.subarray(100_000, 170_000))).toBe(true);
    expect(asked.length).toBe(5);
  });

  test("may send the reader on to another of the same scheme", async () => {
    const { url } = await serve(file);
    const redirect = await serveRedirect(url);
    open.push(redirect);
    expect((await openHttpSource(redirect.url)).size).toBe(file.length);
  });
});

/** A fault that shows from the second request on. */
const later =
  (fault: Fault): Fault =>
  (asked, bytes, reply) =>
    asked.index === 0 ? reply() : fault(asked, bytes, reply);

const atOpening: readonly (readonly [string, string, Fault])[] = [
  ["200 for 206", "no-ranges", ({ response }, bytes) => response.writeHead(200, { etag: '"one"' }).end(bytes)],
  ["404", "status", ({ response }) => response.writeHead(404).end()],
  ["204", "status", ({ response }) => response.writeHead(204).end()],
  ["503, however often it is asked", "status", ({ response }) => response.writeHead(503).end()],
  [
    "no Content-Range",
    "no-ranges",
    ({ response }, bytes) => response.writeHead(206, { etag: '"one"' }).end(bytes.subarray(0, 65_536)),
  ],
  ["a range that is not told", "content-range", (_, __, reply) => reply({ "content-range": "bytes */300000" })],
  ["a size that is not told", "content-range", (_, __, reply) => reply({ "content-range": "bytes 0-65535/*" })],
  ["another unit", "content-range", (_, __, reply) => reply({ "content-range": "items 0-65535/300000" })],
  ["a size past 2^53", "content-range", (_, __, reply) => reply({ "content-range": "bytes 0-65535/9007199254740993" })],
  ["a size below the range", "content-range", (_, __, reply) => reply({ "content-range": "bytes 0-65535/65535" })],
  ["a range cut short", "content-range", (_, __, reply) => reply({ "content-range": "bytes 0-99/300000" })],
  ["a range shifted by one", "content-range", (_, __, reply) => reply({ "content-range": "bytes 1-65536/300000" })],
  ["a range that begins later", "content-range", (_, __, reply) => reply({ "content-range": "bytes 1-65535/300000" })],
  ["a weak ETag", "etag", (_, __, reply) => reply({ etag: 'W/"one"' })],
  ["an ETag without quotes", "etag", (_, __, reply) => reply({ etag: "one" })],
  ["no ETag", "etag", (_, __, reply) => reply({ etag: "" })],
  [
    "gzip",
    "encoding",
    ({ first, last }, bytes, reply) => {
      const body = gzipped(bytes.subarray(first, last + 1));
      reply({ "content-encoding": "gzip", "content-length": String(body.length) }, body);
    },
  ],
  ["a body too short", "short", (_, bytes, reply) => reply({}, bytes.subarray(0, 65_535))],
  ["no body at all", "short", (_, __, reply) => reply({}, new Uint8Array(0))],
  ["a body too long", "overlong", (_, bytes, reply) => reply({}, bytes.subarray(0, 65_537))],
  [
    "a body without end",
    "overlong",
    ({ response }, bytes) => {
      response.writeHead(206, { etag: '"one"', "content-range": "bytes 0-65535/300000" });
      response.on("error", () => undefined);
      const pour = (): void => {
        if (!response.destroyed && response.write(bytes.subarray(0, 65_536))) setImmediate(pour);
        else if (!response.destroyed) response.once("drain", pour);
      };
      pour();
    },
  ],
  ["a connection that is cut", "unreachable", ({ response }) => response.destroy()],
  [
    "a connection that is cut in the body",
    "unreachable",
    ({ response }, bytes) => {
      response.writeHead(206, { etag: '"one"', "content-range": "bytes 0-65535/300000", "content-length": "65536" });
      response.write(bytes.subarray(0, 1000), () => response.destroy());
    },
  ],
  ["silence", "stalled", () => undefined],
  [
    "silence in the body",
    "stalled",
    ({ response }, bytes) => {
      response.writeHead(206, { etag: '"one"', "content-range": "bytes 0-65535/300000", "content-length": "65536" });
      response.write(bytes.subarray(0, 1000));
    },
  ],
];

const inTheSession: readonly (readonly [string, string, Fault])[] = [
  ["another ETag", "changed", later((_, __, reply) => reply({ etag: '"two"' }))],
  [
    "another size",
    "changed",
    later(({ first, last }, _, reply) => reply({ "content-range": `bytes ${first}-${last}/300001` })),
  ],
  [
    "another range than asked, of the right length",
    "content-range",
    later(({ first, last }, _, reply) => reply({ "content-range": `bytes ${first - 1}-${last - 1}/300000` })),
  ],
  ["200 for 206", "no-ranges", later(({ response }, bytes) => response.writeHead(200, { etag: '"one"' }).end(bytes))],
];

describe("a broken or hostile server", () => {
  test.each(atOpening)("that answers with %s is refused as %s", async (_, code, fault) => {
    const { url, asked } = await serve(file, fault);
    await expect(openHttpSource(url, QUICK)).rejects.toMatchObject({ name: "HttpError", code });
    expect(asked.length).toBeLessThanOrEqual(3);
  });

  test.each(inTheSession)("that later answers with %s is refused as %s", async (_, code, fault) => {
    const { url, asked } = await serve(file, fault);
    const source = await openHttpSource(url, QUICK);
    await expect(source.read(100_000, 100_000)).rejects.toMatchObject({ name: "HttpError", code });
    await expect(source.readInto(100_000, new Uint8Array(9))).rejects.toMatchObject({ name: "HttpError", code });
    await expect(source.assertUnchanged()).rejects.toMatchObject({ name: "HttpError" });
    expect(asked.length).toBe(4);
  });

  test("is named without the query of the address, where signed ones have their secret", async () => {
    const { url } = await serve(new Uint8Array(0));
    const refused = openHttpSource(`${url}?signature=secret`, QUICK);
    await expect(refused).rejects.toThrow("?…: the server answers");
    await expect(refused).rejects.toMatchObject({
      message: expect.not.stringContaining("secret"),
      at: `${url}?… at 0`,
    });
  });

  test("that has nothing is refused", async () => {
    const { url } = await serve(new Uint8Array(0));
    await expect(openHttpSource(url, QUICK)).rejects.toMatchObject({ code: "status" });
  });

  test.each(["ftp://127.0.0.1/x", "file:///etc/passwd", "data:,x", "model.s7l", ""])(
    "%j is no address",
    async (url) => {
      await expect(openHttpSource(url)).rejects.toMatchObject({ name: "HttpError", code: "url" });
    },
  );

  test.each([
    "http://user:secret@127.0.0.1/x",
    "http://user@127.0.0.1/x",
    "http://:secret@127.0.0.1/x",
    "http:user:secret@127.0.0.1/x",
    "http:\\\\user:secret@127.0.0.1/x",
    "ftp://user:secret@127.0.0.1/x",
    "http://user:sec/ret@127.0.0.1/x",
    "http://user:se\ncret@127.0.0.1/x",
  ])("%j is not asked, and no message shows its password", async (url) => {
    const fetch = vi.fn();
    const refusal = openHttpSource(url, { fetch });
    await expect(refusal).rejects.toMatchObject({
      name: "HttpError",
      code: "url",
      message: '"…@127.0.0.1/x" is not an http: or https: address without a name and password',
      at: "…@127.0.0.1/x",
    });
    expect(fetch).not.toHaveBeenCalled();
  });

  test.each<[string, RegExp, Fault]>([
    ["cuts the connection", /: fetch failed: (other side closed|.*ECONNRESET)/, ({ response }) => response.destroy()],
    ["speaks no HTTP", /: fetch failed: ./, ({ response }) => response.socket?.end("hello\r\n\r\n")],
    [
      "leads to itself",
      /: fetch failed: redirect count exceeded$/,
      ({ response, request }) => response.writeHead(302, { location: request.url }).end(),
    ],
    [
      "leads to a file",
      /: fetch failed: .*scheme/,
      ({ response }) => response.writeHead(302, { location: "file:///etc/passwd" }).end(),
    ],
  ])("that %s is said to", async (_, message, fault) => {
    const { url } = await serve(file, fault);
    await expect(openHttpSource(url, { ...QUICK, attempts: 1 })).rejects.toMatchObject({
      code: "unreachable",
      message,
    });
  });

  test.each(["127.0.0.1", "localhost"])("that is not there is said to refuse the connection, at %s", async (host) => {
    const { url, close } = await serveFile(file);
    await close();
    const address = url.replace("127.0.0.1", host);
    await expect(openHttpSource(address, { ...QUICK, attempts: 1 })).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringMatching(/: fetch failed: .*ECONNREFUSED/),
    });
  });

  test("that sends too much or too little is named, with the place in the file", async () => {
    for (const [length, what] of [
      [65_535, "ended after 65535 of 65536 bytes"],
      [65_537, "goes on past the 65536 bytes that were asked for"],
    ] as const) {
      const { url } = await serve(file, (_, bytes, reply) => reply({}, bytes.subarray(0, length)));
      await expect(openHttpSource(url, { ...QUICK, attempts: 1 })).rejects.toMatchObject({
        message: `${url} at 0: the answer ${what}`,
        at: `${url} at 0`,
      });
    }
  });

  test("cannot lead to another scheme", async () => {
    const redirect = await serveRedirect("data:,x");
    open.push(redirect);
    await expect(openHttpSource(redirect.url, QUICK)).rejects.toMatchObject({ code: "unreachable" });
    // What a host would show that has followed a redirect from http: to https:.
    const followed = async () =>
      Object.defineProperty(
        new Response(file.slice(0, 65_536), {
          status: 206,
          headers: { etag: '"one"', "content-range": "bytes 0-65535/300000" },
        }),
        "url",
        { value: "https://127.0.0.1/x" },
      );
    await expect(openHttpSource("http://127.0.0.1/x", { ...QUICK, fetch: followed })).rejects.toMatchObject({
      code: "redirect",
    });
  });

  test("does not outlive the caller's patience", async () => {
    const { url, asked } = await serve(file, () => undefined);
    const reason = new Error("enough");
    const leave = new AbortController();
    setTimeout(() => leave.abort(reason), 50);
    await expect(openHttpSource(url, { signal: leave.signal })).rejects.toBe(reason);
    expect(asked.length).toBe(1);
  });

  test("that is busy is not waited for once the caller has left", async () => {
    const { url } = await serve(file, ({ response }) => response.writeHead(503, { "retry-after": "20" }).end());
    const began = performance.now();
    await expect(openHttpSource(url, { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
      name: "TimeoutError",
    });
    expect(performance.now() - began).toBeLessThan(5000);
  });
});

describe("an artifact on a server", () => {
  let artifact: Uint8Array;
  let expectedRoot: string;
  let spans: readonly { name: string; component: string; from: number; to: number }[];

  beforeAll(async () => {
    artifact = await sealWide();
    expectedRoot = toHex(artifact.subarray(224, 256));
    const opened = await openVerified(memorySource(artifact));
    const data = artifact.length - opened.plan.reduce((sum, { name }) => sum + opened.record(name).length, 0);
    spans = opened.plan.map(({ name, component }) => {
      const { offset, length } = opened.record(name);
      return { name, component, from: data + offset, to: data + offset + length };
    });
  });

  test("verifies whole", async () => {
    const { url } = await serve(artifact);
    const result = await verify(await openHttpSource(url), { expectedRoot });
    expect(result).toMatchObject({ ok: true, integrity: "whole", authenticity: "pinned" });
  });

  test("gives one expert without a byte of the others", async () => {
    const { url, asked } = await serve(artifact);
    const result = await verify(await openHttpSource(url), { expectedRoot, expert: 1 });
    expect(result).toMatchObject({ ok: true, integrity: "partial" });
    const read = asked.slice(1).map(({ first, last }) => [first, last + 1] as const);
    const touches = (component: string): boolean =>
      spans
        .filter((span) => span.component === component)
        .some(({ from, to }) => read.some(([first, end]) => first < to && end > from));
    expect(touches("expert1")).toBe(true);
    expect(["embedding", "trunk", "expert2", "expert3"].filter(touches)).toEqual([]);
    expect(read.reduce((sum, [first, end]) => sum + end - first, 0)).toBeLessThan(artifact.length / 2);
  });

  test("is refused where the server gives another tensor's chunk for the one asked for", async () => {
    const [one, two] = spans.filter(({ name }) => name.startsWith("expert1.") && name.includes(".ffn.fc"));
    if (!one || !two) throw new Error("no such tensors");
    const { url } = await serve(artifact, ({ first, last }, bytes, reply) =>
      first === one.from ? reply({}, bytes.subarray(two.from, two.from + last - first + 1)) : reply(),
    );
    const { ok, rules } = await verify(await openHttpSource(url), { expert: 1 });
    expect(ok).toBe(false);
    expect(rules[3]).toMatchObject({ id: "V3", code: "chunk", at: `${one.name}#0` });
  });

  test("that is replaced while it is read is not called broken, but the transport is", async () => {
    const { url } = await serve(artifact, ({ index }, _, reply) => reply({ etag: index < 2 ? '"one"' : '"two"' }));
    await expect(openHttpSource(url).then(verify)).rejects.toMatchObject({ name: "HttpError", code: "changed" });
  });
});
