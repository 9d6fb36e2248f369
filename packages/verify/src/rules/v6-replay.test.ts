import { tinyFold } from "@s7l/fixtures";
import type { GoldenPrompt } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { findingOf, opened } from "../../test/finding.ts";
import { sealTiny } from "../../test/seal-tiny.ts";
import type { Envelope } from "../envelope.ts";
import { legalProgram, type Program } from "./v1-fold-legality.ts";
import {
  equalDigests,
  legalGoldens,
  rootRecomputes,
  sealedGoldens,
  sectionDigestMatches,
  tableDigestMatches,
} from "./v6-replay.ts";

let artifact: Uint8Array;
let envelope: Envelope;
let program: Program;

beforeAll(async () => {
  artifact = await sealTiny("dense");
  const { envelope: read, values } = await opened(artifact);
  envelope = read;
  program = legalProgram(envelope, values);
});

describe("the hashes of the front", () => {
  const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));

  test("recompute, and not when a byte is another", () => {
    const { header, table, sections } = envelope;
    const head = artifact.slice(0, 256);
    const rows = artifact.slice(256, 256 + 64 * header.sectionCount);
    expect(findingOf(() => rootRecomputes(head, header))).toBe("nothing");
    expect(findingOf(() => rootRecomputes(flipped(head, 50), header))).toBe("root header.root");
    expect(findingOf(() => rootRecomputes(head, { ...header, root: flipped(header.root, 31) }))).toBe(
      "root header.root",
    );
    expect(findingOf(() => tableDigestMatches(rows, header))).toBe("nothing");
    expect(findingOf(() => tableDigestMatches(flipped(rows, 9), header))).toBe("table-digest table");
    for (const [name, bytes] of sections) {
      const entry = table.get(name);
      if (!entry) throw new Error("no entry");
      expect(findingOf(() => sectionDigestMatches(name, entry, bytes))).toBe("nothing");
      const finding = `section-digest ${name}`;
      expect(findingOf(() => sectionDigestMatches(name, entry, flipped(bytes, bytes.length - 1)))).toBe(finding);
      expect(findingOf(() => sectionDigestMatches(name, { ...entry, lane: entry.lane + 1 }, bytes))).toBe(finding);
    }
  });
});

const digest = new Uint8Array(32).fill(1);
const prompt = (...ids: readonly number[]): GoldenPrompt => ({ ids, digest });

describe("golden prompts", () => {
  test("have ids of the vocabulary, no more of them than the policy allows", () => {
    const { vocab } = tinyFold("dense");
    const { maxContext } = program.policy;
    const judge = (...prompts: readonly GoldenPrompt[]): string => findingOf(() => legalGoldens([...prompts], program));
    expect(judge(prompt(0, vocab - 1))).toBe("nothing");
    expect(judge(prompt(...new Array<number>(maxContext).fill(0)))).toBe("nothing");
    expect(judge(prompt(0), prompt(vocab))).toBe("golden GOLDEN[1]");
    expect(judge(prompt(...new Array<number>(maxContext + 1).fill(0)))).toBe("golden GOLDEN[0]");
    expect(judge()).toBe("schema GOLDEN");
  });

  test("have 512 ids in all, as each of them is run by every verifier", () => {
    const judge = (...prompts: readonly GoldenPrompt[]): string => findingOf(() => legalGoldens([...prompts], program));
    const long = (last: number): readonly GoldenPrompt[] =>
      Array.from({ length: 16 }, (_, i) => prompt(...new Array<number>(i === 15 ? last : 32).fill(i)));
    expect(judge(...long(32))).toBe("nothing");
    expect(judge(...long(31), prompt(0, 1))).toBe("golden GOLDEN");
  });

  test("stand there once each, whatever their digests", () => {
    const judge = (...prompts: readonly GoldenPrompt[]): string => findingOf(() => legalGoldens([...prompts], program));
    expect(judge(prompt(1, 2), prompt(12), prompt(2, 1), prompt(1))).toBe("nothing");
    expect(judge(prompt(1, 2), prompt(3), prompt(1, 2))).toBe("golden GOLDEN[2]");
    expect(judge(prompt(3), { ids: [3], digest: digest.map(() => 2) })).toBe("golden GOLDEN[1]");
  });

  test("give their digests again, each its own", () => {
    const other = digest.map((byte, i) => (i === 31 ? byte ^ 1 : byte));
    const golden = [prompt(1), { ids: [2], digest: other }];
    expect(findingOf(() => equalDigests(golden, [digest, other]))).toBe("nothing");
    expect(findingOf(() => equalDigests(golden, [digest, digest]))).toBe("replay GOLDEN[1]");
    expect(findingOf(() => equalDigests(golden, [other, digest]))).toBe("replay GOLDEN[0]");
    expect(findingOf(() => equalDigests(golden, [digest]))).toBe("replay GOLDEN[1]");
  });

  test("were run before they were sealed", () => {
    const draft = { ids: [1], digest: new Uint8Array(32) };
    const almost = { ids: [1], digest: new Uint8Array(32).map((_, i) => Number(i === 31)) };
    expect(findingOf(() => sealedGoldens([prompt(1), almost]))).toBe("nothing");
    expect(findingOf(() => sealedGoldens([draft, prompt(1)]))).toBe("draft GOLDEN[0]");
    expect(findingOf(() => sealedGoldens([prompt(1), draft]))).toBe("draft GOLDEN[1]");
  });
});
