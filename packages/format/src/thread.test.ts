import { afterEach, describe, expect, test, vi } from "vitest";
import { startThread, threadPort } from "./thread.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

/** A host whose `node:worker_threads` is this, and nothing else. */
const hostWith = (threads: unknown): unknown => vi.stubGlobal("process", { getBuiltinModule: () => threads });

/** Starts a thread; what it said first and why it failed, each to be waited for. */
function listenTo(script: string) {
  let hear: (said: unknown) => void = () => undefined;
  let fail: (reason: string) => void = () => undefined;
  const heard = new Promise<unknown>((resolve) => {
    hear = resolve;
  });
  const failed = new Promise<string>((resolve) => {
    fail = resolve;
  });
  return { heard, failed, thread: startThread(script, hear, fail) };
}

describe("a thread of Node", () => {
  const script = `const { parentPort } = require("node:worker_threads"); parentPort.on("message", (n) => parentPort.postMessage(2 * n));`;

  test("answers what it is sent, until it is ended, which is said", async () => {
    const { thread, heard, failed } = listenTo(script);
    thread.send(21);
    expect(await heard).toBe(42);
    thread.end();
    expect(await failed).toBe("it ended");
  });

  test.each([
    ["is wrong", "throw new RangeError('too wide')", "too wide"],
    ["throws what is no error", "throw 'bare'", "bare"],
    ["ends by itself", "", "it ended"],
  ])("whose script %s says so", async (_, wrong, reason) => {
    expect(await listenTo(wrong).failed).toBe(reason);
  });

  test("takes no flag of its parent's, and keeps the process alive as it is told to", () => {
    const calls: unknown[] = [];
    const listeners = new Map<string, (said: unknown) => void>();
    hostWith({
      Worker: class {
        constructor(...given: readonly unknown[]) {
          calls.push(given);
        }
        on = (event: string, hear: (said: unknown) => void) => listeners.set(event, hear);
        ref = () => calls.push("ref");
        unref = () => calls.push("unref");
      },
    });
    const fail = vi.fn();
    const thread = startThread("script", () => undefined, fail);
    thread.hold(false);
    thread.hold(true);
    expect(calls).toEqual([["script", { eval: true, execArgv: [] }], "unref", "ref"]);
    listeners.get("messageerror")?.("whatever");
    expect(fail).toHaveBeenCalledWith("a message could not be read");
  });

  test.each([undefined, null, "text", {}, { Worker: null }])("is none where the host has %j", (threads) => {
    hostWith(threads);
    expect(() => startThread("", vi.fn(), vi.fn())).toThrow("this host has no threads");
  });
});

describe("a worker of the web", () => {
  class WebWorker {
    static last: WebWorker | undefined;
    readonly sent: unknown[] = [];
    ended = false;
    onmessage?: (event: { readonly data: unknown }) => void;
    onerror?: (event: { readonly message: string }) => void;
    onmessageerror?: () => void;
    readonly url: string;
    constructor(url: string) {
      this.url = url;
      WebWorker.last = this;
    }
    postMessage = (message: unknown) => void this.sent.push(message);
    terminate = () => {
      this.ended = true;
    };
  }

  function started() {
    vi.stubGlobal("Worker", WebWorker);
    const scripts: Blob[] = [];
    const revoked: string[] = [];
    vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
      scripts.push(blob as Blob);
      return "blob:script";
    });
    vi.spyOn(URL, "revokeObjectURL").mockImplementation((url) => void revoked.push(url));
    const [hear, fail] = [vi.fn(), vi.fn()];
    const thread = startThread("script", hear, fail);
    const worker = WebWorker.last;
    if (!worker) throw new Error("none was made");
    return { thread, worker, scripts, revoked, hear, fail };
  }
  afterEach(() => {
    vi.restoreAllMocks();
  });

  test("runs the script from a text of its own, which is let go of once it runs", async () => {
    const { thread, worker, scripts, revoked, hear } = started();
    expect(worker.url).toBe("blob:script");
    expect([await scripts[0]?.text(), scripts[0]?.type]).toEqual(["script", "text/javascript"]);
    expect(revoked).toEqual([]);
    thread.send(1);
    thread.hold(true);
    expect(worker.sent).toEqual([1]);
    worker.onmessage?.({ data: 2 });
    expect(hear).toHaveBeenCalledWith(2);
    expect(revoked).toEqual(["blob:script"]);
    thread.end();
    expect(worker.ended).toBe(true);
  });

  test("lets go of the text of a script that never spoke", () => {
    const ended = started();
    ended.thread.end();
    expect(ended.revoked).toEqual(["blob:script"]);
  });

  test("says why it failed, also where the page keeps that to itself", () => {
    const { worker, fail, revoked } = started();
    worker.onerror?.({ message: "a policy forbids it" });
    expect(revoked).toEqual(["blob:script"]);
    worker.onerror?.({ message: "" });
    worker.onmessageerror?.();
    expect(fail.mock.calls).toEqual([
      ["a policy forbids it"],
      ["its script was refused"],
      ["a message could not be read"],
    ]);
  });
});

describe("the port of a thread's script", () => {
  const port = { postMessage: () => undefined, close: () => undefined };

  test("is Node's where it runs in a thread of Node", () => {
    hostWith({ parentPort: port });
    expect(threadPort()).toBe(port);
  });

  test.each([[undefined], [null], ["text"], [{}], [{ parentPort: null }], [{ parentPort: { postMessage: 1 } }]])(
    "is the worker's own global where the host has %j",
    (threads) => {
      hostWith(threads);
      expect(() => threadPort()).toThrow("this is no thread");
      vi.stubGlobal("postMessage", port.postMessage);
      expect(() => threadPort()).toThrow("this is no thread");
      vi.stubGlobal("close", port.close);
      expect(threadPort()).toBe(globalThis);
    },
  );
});
