import { once } from "node:events";
import { createServer } from "node:http";
import { expect, test } from "vitest";
import { fetchFailure } from "./fetch-failure.ts";

const caused = (cause: unknown): Error => new TypeError("fetch failed", { cause });

test.each<[string, unknown, string]>([
  ["no error at all", "odd", "odd"],
  ["no cause", new Error("body used already"), "body used already"],
  ["a cause", caused(new Error("unknown scheme")), "fetch failed: Error: unknown scheme"],
  ["a code alone", caused(Object.assign(new AggregateError([]), { code: "ETIMEDOUT" })), "fetch failed: ETIMEDOUT"],
  ["a name alone", caused(new RangeError()), "fetch failed: RangeError"],
])("says why where there is %s", (_, error, words) => {
  expect(fetchFailure(error)).toBe(words);
});

test("says in one line that a server does not speak TLS", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const error: unknown = await fetch(`https://127.0.0.1:${port}/`).catch((thrown: unknown) => thrown);
  expect(fetchFailure(error)).toBe("fetch failed: ERR_SSL_WRONG_VERSION_NUMBER");
  server.close();
});
