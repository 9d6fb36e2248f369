import { scryptSync } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { concatBytes } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { fromBase64, toBase64 } from "../signature/base64.ts";
import { isMinisignSecret, readMinisignSecret, writeMinisignPublic, writeMinisignSecret } from "./minisign-secret.ts";

const PASSWORD = "corrèct horse";
const seed = new Uint8Array(32).map((_, i) => i);
const id = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0xab);
const point = ed25519.getPublicKey(seed);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Cost {
  readonly time: bigint;
  readonly memory: bigint;
  readonly N: number;
  readonly p: number;
}

/** A key file as the tool writes it: under a password at this cost, which libsodium makes N and p of; or plain. */
function file(cost?: Cost, change: (bytes: Uint8Array) => void = () => undefined): string {
  const body = concatBytes(id, seed, point, new Uint8Array(32));
  const head = concatBytes(utf8("Ed"), cost ? utf8("Sc") : new Uint8Array(2), utf8("B2"), new Uint8Array(48));
  if (cost) {
    head.fill(9, 6, 38);
    const view = new DataView(head.buffer);
    view.setBigUint64(38, cost.time, true);
    view.setBigUint64(46, cost.memory, true);
    body.set(blake2b(concatBytes(utf8("Ed"), body.subarray(0, 72)), { dkLen: 32 }), 72);
    const { N, p } = cost;
    const stream = scryptSync(PASSWORD, head.subarray(6, 38), 104, { N, r: 8, p, maxmem: 2 ** 30 });
    for (let i = 0; i < 104; i++) body[i] = (body[i] ?? 0) ^ (stream[i] ?? 0);
  }
  const bytes = concatBytes(head, body);
  change(bytes);
  return `untrusted comment: minisign key\n${toBase64(bytes)}\n`;
}
const refused = (code: string) => expect.objectContaining({ name: "SignatureError", code });

describe("a secret key of minisign", () => {
  test.each<[string, Cost]>([
    ["the least", { time: 0n, memory: 2n ** 24n, N: 1024, p: 1 }],
    ["the least there may be", { time: 32_768n, memory: 2n ** 24n, N: 1024, p: 1 }],
    ["no power of two of time", { time: 33_000n, memory: 2n ** 22n, N: 1024, p: 1 }],
    ["no power of two of memory", { time: 2n ** 16n, memory: 1_500_000n, N: 1024, p: 2 }],
    ["as much time as memory", { time: 2n ** 15n, memory: 2n ** 20n, N: 1024, p: 1 }],
    ["more time than memory", { time: 2n ** 17n, memory: 2n ** 20n, N: 1024, p: 4 }],
    ["as many passes as are taken", { time: 2n ** 19n, memory: 2n ** 20n, N: 1024, p: 16 }],
    ["little memory", { time: 32_768n, memory: 2n ** 18n, N: 256, p: 4 }],
  ])("is read where it is derived at %s", (_, cost) => {
    const text = file(cost);
    expect(isMinisignSecret(text)).toBe(true);
    expect(readMinisignSecret(text, PASSWORD)).toEqual({ seed, id });
    expect(() => readMinisignSecret(text, "another")).toThrow(refused("key-password"));
    expect(() => readMinisignSecret(text, undefined)).toThrow(refused("key-password"));
  });

  test.each<[string, bigint, bigint]>([
    ["17 passes", 2n ** 19n + 2n ** 15n, 2n ** 20n],
    ["more blocks than the tool takes", 2n ** 27n, 2n ** 40n],
    ["all the memory there is", 2n ** 64n - 1n, 2n ** 64n - 1n],
    ["all the time there is", 2n ** 64n - 1n, 2n ** 20n],
  ])("is refused where it asks for %s, before that is paid", (_, time, memory) => {
    const costly = file({ time: 0n, memory: 2n ** 24n, N: 1024, p: 1 }, (bytes) => {
      new DataView(bytes.buffer).setBigUint64(38, time, true);
      new DataView(bytes.buffer).setBigUint64(46, memory, true);
    });
    const began = performance.now();
    expect(() => readMinisignSecret(costly, PASSWORD)).toThrow(refused("key-form"));
    expect(performance.now() - began).toBeLessThan(5000);
  });

  test("is read where it is plain, with a password or without", () => {
    for (const password of [undefined, "", "any"]) expect(readMinisignSecret(file(), password)).toEqual({ seed, id });
    expect(writeMinisignSecret({ seed, id })).toBe(
      file().replace("untrusted comment: minisign key", "untrusted comment: minisign secret key"),
    );
  });

  test.each<[string, number, string]>([
    ["its kind", 0, "key-kind"],
    ["the second letter of its kind", 1, "key-kind"],
    ["how it is derived", 2, "key-kind"],
    ["how it is checked", 4, "key-kind"],
    ["how it is checked, by its second letter", 5, "key-kind"],
    ["its seed", 62, "key-form"],
    ["its public half", 94, "key-form"],
    ["the end of its public half", 125, "key-form"],
  ])("is refused with another byte in %s", (_, at, code) => {
    const text = file(undefined, (bytes) => {
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    });
    expect(() => readMinisignSecret(text, undefined)).toThrow(refused(code));
  });

  test.each([6, 30, 54, 62, 94, 126, 157])("under a password is refused with another byte at %i", (at) => {
    const text = file({ time: 0n, memory: 2n ** 24n, N: 1024, p: 1 }, (bytes) => {
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    });
    expect(() => readMinisignSecret(text, PASSWORD)).toThrow(refused("key-password"));
  });

  test.each([
    ["a letter too many", (text: string) => text.replace("\nRW", "\nRWA")],
    ["a letter too few", (text: string) => text.replace("\nRW", "\nR")],
    ["no comment", (text: string) => text.slice(text.indexOf("\n") + 1)],
    ["a comment too long", (text: string) => text.replace("minisign key", "x".repeat(1025))],
    ["a line behind it", (text: string) => `${text}x`],
  ])("is none with %s", (_, change) => {
    expect(isMinisignSecret(change(file()))).toBe(false);
    expect(() => readMinisignSecret(change(file()), undefined)).toThrow(
      expect.objectContaining({ name: "SignatureError" }),
    );
  });

  test("is written under a password with another salt each time", () => {
    const [one, two] = [writeMinisignSecret({ seed, id }, PASSWORD), writeMinisignSecret({ seed, id }, PASSWORD)];
    expect(one).not.toBe(two);
    expect(one).toMatch(/^untrusted comment: minisign encrypted secret key\n/);
    const bytes = fromBase64(one.split("\n")[1] ?? "", "key-form", "");
    const view = new DataView(bytes.buffer);
    expect([view.getBigUint64(38, true), view.getBigUint64(46, true)]).toEqual([2n ** 22n, 2n ** 27n]);
    expect(readMinisignSecret(one, PASSWORD)).toEqual({ seed, id });
  });

  test("has a public half whose file names it", () => {
    expect(writeMinisignPublic({ kind: "ed25519", id, point })).toBe(
      `untrusted comment: minisign public key AB07060504030201\n${toBase64(concatBytes(utf8("Ed"), id, point))}\n`,
    );
  });
});
