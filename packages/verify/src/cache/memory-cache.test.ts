import { expect, test } from "vitest";
import { memoryCache } from "./memory-cache.ts";

const of = (size: number, fill = 1): Uint8Array => new Uint8Array(size).fill(fill);

test("what is used last goes last, and each put makes only as much room as it needs", async () => {
  const cache = memoryCache(100);
  for (const key of ["a", "b", "c"]) await cache.put(key, of(33));
  expect(await cache.get("a")).toEqual(of(33));
  await cache.put("d", of(1));
  expect(await cache.get("b")).toEqual(of(33));
  await cache.put("e", of(30));
  expect(await cache.get("c")).toBeUndefined();
  for (const key of ["a", "b", "d", "e"]) expect(await cache.get(key), key).toBeDefined();
});

test("a chunk put again takes the place of what was there, in room as in content", async () => {
  const cache = memoryCache(100);
  for (let fill = 0; fill < 10; fill++) await cache.put("a", of(60, fill));
  await cache.put("b", of(40));
  expect(await cache.get("a")).toEqual(of(60, 9));
  expect(await cache.get("b")).toEqual(of(40));
  await cache.put("a", of(61));
  expect(await cache.get("b")).toBeUndefined();
});

test("a chunk that does not fit drops what was under its key, and nothing else", async () => {
  const cache = memoryCache(100);
  await cache.put("a", of(50));
  await cache.put("b", of(50));
  await cache.put("a", of(101));
  expect(await cache.get("a")).toBeUndefined();
  expect(await cache.get("b")).toEqual(of(50));
  await cache.put("a", of(50));
  expect(await cache.get("b")).toEqual(of(50));
});

test("what is deleted makes room, also where it never was", async () => {
  const cache = memoryCache(100);
  await cache.put("a", of(100));
  await cache.delete("z");
  await cache.delete("a");
  await cache.delete("a");
  await cache.put("b", of(60));
  await cache.put("c", of(40));
  expect(await cache.get("b")).toBeDefined();
  await cache.put("d", of(1));
  expect(await cache.get("c")).toBeUndefined();
  expect(await cache.get("b")).toBeDefined();
});

test("what is kept is nobody's else, of whatever kind the bytes are", async () => {
  const cache = memoryCache(100);
  const theirs = Buffer.from(of(10));
  await cache.put("a", theirs);
  theirs.fill(9);
  const given = await cache.get("a");
  expect(given).toEqual(of(10));
  given?.fill(9);
  expect(await cache.get("a")).toEqual(of(10));
});
