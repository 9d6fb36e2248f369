import { execFileSync, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fetchSmallFile, needSmallFile, readSmallFile } from "./small-file.ts";

let folder: string;
let server: Server | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "s7l-small-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

describe("a small file", () => {
  test("is read whole, by a link too, up to its longest", async () => {
    await writeFile(join(folder, "key"), "secret");
    await symlink(join(folder, "key"), join(folder, "link"));
    for (const name of ["key", "link"])
      expect(Buffer.from(await needSmallFile(join(folder, name), 6)).toString()).toBe("secret");
    await expect(readSmallFile(join(folder, "key"), 5)).rejects.toMatchObject({
      name: "CliError",
      code: "io",
      message: expect.stringContaining("has 6 bytes"),
    });
    await writeFile(join(folder, "empty"), "");
    expect(await needSmallFile(join(folder, "empty"))).toHaveLength(0);
  });

  test("is undefined where there is none, and refused where one is needed", async () => {
    expect(await readSmallFile(join(folder, "nowhere"))).toBeUndefined();
    await expect(needSmallFile(join(folder, "nowhere"))).rejects.toMatchObject({ code: "io" });
  });

  test("is no folder", async () => {
    await mkdir(join(folder, "sub"));
    await expect(readSmallFile(join(folder, "sub"))).rejects.toMatchObject({
      code: "io",
      message: expect.stringContaining("it is a folder"),
    });
  });

  test.skipIf(process.platform === "win32")("is no pipe, which is not waited for, and no device", async () => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    for (const path of [join(folder, "pipe"), "/dev/zero", "/dev/null"])
      await expect(readSmallFile(path)).rejects.toMatchObject({
        code: "io",
        message: `${path} cannot be read: it is not a regular file`,
      });
  });

  describe.skipIf(process.platform === "win32")("that is named on the command line", () => {
    const pipe = (): string => {
      execFileSync("mkfifo", [join(folder, "pipe")]);
      return join(folder, "pipe");
    };
    /** Runs a script of the shell whose output is the pipe. */
    const writing = (path: string, script: string) => spawn("sh", ["-c", `(${script}) > "$0"`, path]);

    test.each([
      ["at once", "printf secret"],
      ["in pieces, with pauses", "printf se; sleep 0.2; printf cr; sleep 0.2; printf et"],
      ["after a silence longer than it waits for a writer", "sleep 1.5; printf secret"],
      ["by several writers, one after the other", "printf sec; (sleep 0.1; printf ret) & wait"],
    ])("may be a pipe that is written %s", async (_, script) => {
      const path = pipe();
      writing(path, script);
      expect(Buffer.from(await needSmallFile(path, 6)).toString()).toBe("secret");
    });

    test("may be a pipe that is opened for writing a little later", async () => {
      const path = pipe();
      const read = needSmallFile(path);
      await new Promise((resolve) => setTimeout(resolve, 150));
      writing(path, "printf secret");
      expect(Buffer.from(await read).toString()).toBe("secret");
    });

    test("may be what a command of the shell prints", () => {
      const script = `import { needSmallFile } from ${JSON.stringify(new URL("./small-file.ts", import.meta.url).href)};
        process.stdout.write(await needSmallFile(process.argv[1]));`;
      const run = `exec "$0" --import tsx -C @s7l/source --input-type=module -e "$1" <(sleep 0.2; printf secret)`;
      expect(execFileSync("bash", ["-c", run, process.execPath, script]).toString()).toBe("secret");
    });

    test("is read no further than its longest, from a pipe that pours", async () => {
      const path = pipe();
      const pouring = writing(path, "cat /dev/zero");
      const ended = new Promise((resolve) => pouring.on("exit", resolve));
      await expect(needSmallFile(path)).rejects.toMatchObject({ message: `${path} has more than 1048576 bytes` });
      await ended; // by the signal of a pipe that nobody reads
    });

    test("is no pipe that nobody writes to, and no device", async () => {
      const path = pipe();
      await expect(needSmallFile(path)).rejects.toMatchObject({ message: `${path} is a pipe that nobody writes to` });
      for (const device of ["/dev/zero", "/dev/null"])
        await expect(needSmallFile(device)).rejects.toMatchObject({
          message: `${device} cannot be read: it is not a regular file`,
        });
    });
  });
});

describe("a small file on a server", () => {
  async function serve(listener: RequestListener): Promise<string> {
    const serving = createServer(listener);
    server = serving;
    await new Promise<void>((resolve) => serving.listen(0, "127.0.0.1", resolve));
    const address = serving.address();
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/m.s7l.sig`;
  }
  const { signal } = new AbortController();

  test("is fetched, or is not there", async () => {
    expect(await fetchSmallFile(new URL(await serve((_, response) => response.end("abc"))), signal)).toEqual(
      Uint8Array.of(97, 98, 99),
    );
    server?.close();
    expect(
      await fetchSmallFile(new URL(await serve((_, response) => response.writeHead(404).end())), signal),
    ).toBeUndefined();
  });

  test.each<[string, RequestListener, string]>([
    ["says nothing", () => undefined, "it took more than 300 ms"],
    [
      "drips",
      (_, response) => {
        const drip = setInterval(() => response.write("a"), 20);
        response.on("close", () => clearInterval(drip));
      },
      "it took more than 300 ms",
    ],
    ["leads to a file", (_, response) => response.writeHead(302, { location: "file:///etc/passwd" }).end(), "scheme"],
    ["fails", (_, response) => response.writeHead(500).end(), "status 500"],
    ["pours", (_, response) => response.end(Buffer.alloc((1 << 20) + 1)), "has more than 1048576 bytes"],
  ])("is refused where the server %s, in one sentence with the address", async (_, listener, reason) => {
    const url = await serve(listener);
    const patience = reason.includes("300") ? 300 : 20_000;
    const failure = fetchSmallFile(new URL(`${url}?key=secret`), signal, patience);
    await expect(failure).rejects.toMatchObject({ name: "CliError", code: "io", at: `${new URL(url).href}?…` });
    await expect(failure).rejects.toThrow(reason);
    await expect(failure).rejects.not.toThrow("secret");
  });

  test("is not waited for once the caller has left", async () => {
    const leave = new AbortController();
    const url = await serve(() => leave.abort(new Error("enough")));
    await expect(fetchSmallFile(new URL(url), leave.signal)).rejects.toThrow("enough");
  });
});
