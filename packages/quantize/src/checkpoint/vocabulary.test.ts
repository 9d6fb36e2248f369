import { expect, test } from "vitest";
import type { JsonObject } from "../json.ts";
import { type VocabularyFiles, vocabularyOf } from "./vocabulary.ts";

const of = (files: VocabularyFiles, config: JsonObject = {}, eos: readonly number[] = []) =>
  vocabularyOf(files, { place: "config.json", values: config }, 100, eos);

test("generation_config.json decides before config.json, and that before the family", () => {
  const config = { eos_token_id: 2, bos_token_id: 1 };
  expect(of({ generationConfig: { eos_token_id: [9, 7, 9] } }, config, [1]).vocabulary).toEqual({
    bos: 1,
    eos: [7, 9],
  });
  expect(of({}, config, [1]).vocabulary).toEqual({ bos: 1, eos: [2] });
  expect(of({}, { eos_token_id: null }, [1]).vocabulary).toEqual({ eos: [1] });
});

test("files are kept byte for byte", () => {
  const tokenizer = Uint8Array.of(1, 2, 3);
  expect(of({ tokenizer }).vocabulary.tokenizer).toBe(tokenizer);
});

test.each<readonly [string, VocabularyFiles, string | undefined]>([
  ["a file of its own", { chatTemplate: "file", tokenizerConfig: { chat_template: "config" } }, "file"],
  ["tokenizer_config.json", { tokenizerConfig: { chat_template: "config" } }, "config"],
  [
    "the default of several",
    {
      tokenizerConfig: {
        chat_template: [
          { name: "tool_use", template: "t" },
          { name: "default", template: "d" },
        ],
      },
    },
    "d",
  ],
  ["nowhere, where a file of its own is empty", { chatTemplate: "" }, undefined],
  ["nowhere", { tokenizerConfig: { chat_template: { a: 1 } } }, undefined],
])("the chat template comes from %s", (_, files, template) => {
  expect(of(files).vocabulary.chatTemplate).toBe(template);
});

test("special ids outside the vocabulary are left out, with a note", () => {
  const { vocabulary, notes } = of({}, { bos_token_id: 151643, eos_token_id: [2, 100] });
  expect(vocabulary).toEqual({ eos: [2] });
  expect(notes).toEqual([
    "bos_token_id 151643 is outside the vocabulary of 100 and is left out",
    "eos_token_id 100 is outside the vocabulary of 100 and is left out",
  ]);
});

test.each([-1, 1.5, "2", [[1]], Array.from({ length: 65 }, (_, i) => i)])("eos_token_id %j is refused", (eos) => {
  expect(() => of({}, { eos_token_id: eos })).toThrow(
    expect.objectContaining({ code: "config", message: expect.stringContaining("eos_token_id") }),
  );
});
