// A page in headless Chromium, driven over a pipe by its DevTools protocol: no dependency, no port.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The command of the browser that is installed, or undefined. */
export function findChromium() {
  const commands = ["chromium", "chromium-browser", "google-chrome"];
  return commands.find((command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0);
}

/** Starts it. `show(url)` opens a page and gives `evaluate(expression)`; `close()` ends all. */
export function openChromium(command) {
  const profile = mkdtempSync(join(tmpdir(), "s7l-chromium-"));
  // No sandbox: as root, which a container often is, Chromium does not start with one. What it visits is ours.
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
  const child = spawn(command, [...flags, `--user-data-dir=${profile}`, "--remote-debugging-pipe"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const [, , , to, from] = child.stdio;
  const waiting = new Map();
  let rest = "";
  from.setEncoding("utf8").on("data", (text) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop();
    for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
      const { resolve, reject } = waiting.get(id) ?? {};
      waiting.delete(id);
      if (error) reject?.(new Error(error.message));
      else resolve?.(result);
    }
  });
  let last = 0;
  const ask = (method, params, sessionId) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      to.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    });
  const show = async (url) => {
    const { targetId } = await ask("Target.createTarget", { url });
    const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
    return async (expression) => {
      const params = { expression, returnByValue: true, awaitPromise: true };
      const { result, exceptionDetails } = await ask("Runtime.evaluate", params, sessionId);
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
  };
  const close = () =>
    new Promise((resolve) => {
      child.on("close", resolve).kill();
    }).then(() => {
      try {
        rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
      } catch (error) {
        // A helper of the browser may outlive it for seconds and still write there.
        console.log(`left behind: ${profile} (${error.code})`);
      }
    });
  return { show, close };
}
