import { FormatError } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { tinyModel } from "../../test/sealed.ts";
import type { GenerateOptions, GenerateStep } from "../generation/generate.ts";
import type { Model } from "../model.ts";
import { STX } from "../session/gate.ts";
import { openSession } from "../session/session.ts";
import { createReceipt, encodeReceipt, parseReceipt, type Receipt } from "./receipt.ts";

let model: Model;
let receipt: Receipt;
let bytes: Uint8Array;
beforeAll(async () => {
  model = await tinyModel("dense", { engine: "simd", threads: 1 });
  receipt = await receiptOf([3, 14, 15], { maxTokens: 4, temperature: 0.7, seed: 9, stop: [] });
  bytes = encodeReceipt(receipt);
});

async function stepsOf(prompt: readonly number[], options: GenerateOptions): Promise<GenerateStep[]> {
  const steps: GenerateStep[] = [];
  for await (const step of openSession(model).begin(STX).generate(prompt, options)) steps.push(step);
  return steps;
}

const receiptOf = async (prompt: readonly number[], options: GenerateOptions): Promise<Receipt> =>
  createReceipt(model, prompt, options, await stepsOf(prompt, options));
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const formatError = (code: string) => expect.objectContaining({ name: "FormatError", code });

describe("a receipt", () => {
  test("holds the artifact, the prompt, every parameter, the outputs and a link a position", async () => {
    const steps = await stepsOf([3, 14, 15], { maxTokens: 4, temperature: 0.7, seed: 9 });
    expect(receipt.prompt).toEqual([3, 14, 15]);
    expect(receipt.ids).toEqual(steps.map(({ id }) => id));
    expect(receipt.links.length).toBe(1 + 3 + 4);
    expect(receipt.ended).toBe("length");
    expect(receipt.sampling).toEqual({
      temperature: 0.7,
      topK: 40,
      topP: 0.95,
      minP: 0.05,
      repeatPenalty: 1,
      repeatLast: 64,
      seed: "9",
      stop: [],
      maxTokens: 4,
    });
    expect(receipt.root).toBe(Buffer.from(model.artifact.root).toString("hex"));
  });

  test("is one line of JSON with its keys in order, and reads back as it was", () => {
    const text = textOf(bytes);
    expect(text.startsWith('{"abi":"')).toBe(true);
    expect(text).not.toMatch(/[\s]/);
    expect(JSON.parse(text)).toEqual(receipt);
    expect(parseReceipt(bytes)).toEqual(receipt);
    expect(encodeReceipt(parseReceipt(bytes))).toEqual(bytes);
  });

  test("keeps seeds of 64 bits and stop texts of any characters", async () => {
    const stop = ['"\\\u0000é\u{1f600}\ud800'];
    const routed = await tinyModel("routed", { engine: "simd" });
    const steps: GenerateStep[] = [];
    const options = { maxTokens: 2, seed: 2n ** 64n - 1n, stop };
    for await (const step of openSession(routed).begin(STX).generate([5], options)) steps.push(step);
    const made = createReceipt(routed, [5], options, steps);
    expect(parseReceipt(encodeReceipt(made))).toEqual(made);
    expect(made.sampling.seed).toBe("18446744073709551615");
  });

  test("is not made of a generation that was broken off", async () => {
    const steps = await stepsOf([3], { maxTokens: 4 });
    expect(() => createReceipt(model, [3], { maxTokens: 4 }, steps.slice(0, -1))).toThrow(
      expect.objectContaining({ code: "option" }),
    );
    expect(() => createReceipt(model, [3], {}, [])).toThrow(expect.objectContaining({ code: "option" }));
  });
});

describe("bytes that are no receipt", () => {
  const edits: readonly (readonly [string, (text: string) => string, string])[] = [
    ["are empty", () => "", "canonical"],
    ["are not JSON", (text) => text.slice(1), "canonical"],
    ["are cut off", (text) => text.slice(0, -1), "canonical"],
    ["go on after the end", (text) => `${text} `, "canonical"],
    ["end in a line feed", (text) => `${text}\n`, "canonical"],
    ["begin with a byte order mark", (text) => `\ufeff${text}`, "canonical"],
    ["are a list", () => "[]", "schema"],
    ["are nested without end", () => "[".repeat(1_000_000), "canonical"],
    ["nest deeper than any receipt", () => `${"[".repeat(99)}${"]".repeat(99)}`, "canonical"],
    ["hold null", (text) => text.replace('"version":1', '"version":null'), "schema"],
    ["are of another version", (text) => text.replace('"version":1', '"version":2'), "schema"],
    ["are of another format", (text) => text.replace("s7l-receipt", "s7l-manifest"), "schema"],
    ["hold a key more", (text) => text.replace("{", '{"a":1,'), "schema"],
    ["hold __proto__", (text) => text.replace("{", '{"__proto__":{"version":1},'), "schema"],
    ["lack a key", (text) => text.replace('"ended":"length",', ""), "schema"],
    ["hold a key twice", (text) => text.replace('"ended":"length"', '"ended":"length","ended":"length"'), "canonical"],
    ["have keys out of order", (text) => text.replace(/^\{("abi":"\w+"),(.*)\}$/, "{$2,$1}"), "canonical"],
    ["spell a number otherwise", (text) => text.replace('"temperature":0.7', '"temperature":0.70'), "canonical"],
    ["escape what needs none", (text) => text.replace('"length"', '"\\u006cength"'), "canonical"],
    ["hold an id that is no integer", (text) => text.replace("[3,14,15]", "[3,14,15.5]"), "schema"],
    ["hold a negative id", (text) => text.replace("[3,14,15]", "[3,-14,15]"), "schema"],
    ["hold an id beyond 32 bits", (text) => text.replace("[3,14,15]", "[3,4294967296,15]"), "schema"],
    ["hold no prompt", (text) => text.replace("[3,14,15]", "[]"), "schema"],
    ["hold a link less", (text) => text.replace(/"links":\["\w+",/, '"links":['), "schema"],
    ["hold a temperature beyond any", (text) => text.replace('"temperature":0.7', '"temperature":1e300'), "schema"],
    [
      "hold a temperature that no sampler takes",
      (text) => text.replace('"temperature":0.7', '"temperature":0.001'),
      "schema",
    ],
    ["hold a seed with a leading zero", (text) => text.replace('"seed":"9"', '"seed":"09"'), "schema"],
    [
      "hold a seed of more than 64 bits",
      (text) => text.replace('"seed":"9"', '"seed":"18446744073709551616"'),
      "schema",
    ],
    ["hold digits in capitals", (text) => text.replace(/"root":"\w+"/, (root) => root.toUpperCase()), "schema"],
  ];
  test.each(edits)("since they %s are refused", (_, edit, code) => {
    expect(textOf(bytes)).not.toBe(edit(textOf(bytes)));
    expect(() => parseReceipt(bytesOf(edit(textOf(bytes))))).toThrow(formatError(code));
  });

  test("since they are not UTF-8 are refused", () => {
    expect(() => parseReceipt(Uint8Array.of(...bytes.slice(0, 9), 0xff, ...bytes.slice(10)))).toThrow(FormatError);
  });
});
