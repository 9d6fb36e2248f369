import { attacked, LEVELS, randomMutation } from "@s7l/fixtures";
import { memorySource } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { type Verification, verify } from "../src/index.ts";
import { sealTiny } from "./seal-tiny.ts";

// A million of these are `npm run test:mutations`.
const COUNT = 600;
let artifact: Uint8Array;

beforeAll(async () => {
  artifact = await sealTiny("speck");
});

const brokenRules = ({ rules }: Verification): readonly string[] =>
  rules.flatMap((rule) => (rule.ok || rule.code === "not-reached" ? [] : [rule.code]));

describe("an artifact changed at random", () => {
  test("is never accepted under the original's root, and without one only as an artifact of its own", async () => {
    const root = artifact.slice(224, 256);
    const seen = new Set<string>();
    for (let seed = 0; seed < COUNT; seed++) {
      const { file, level, story } = randomMutation(artifact, seed);
      if (Buffer.compare(file, artifact) === 0) continue;
      seen.add(level);
      const pinned = await verify(memorySource(file), { expectedRoot: root });
      expect(pinned.ok, `${seed}: ${story}`).toBe(false);
      expect(brokenRules(pinned)).toEqual([expect.not.stringContaining("internal")]);
      const open = await verify(memorySource(file));
      if (!open.ok) {
        expect(brokenRules(open)).toEqual([expect.not.stringContaining("internal")]);
        continue;
      }
      expect({ level, integrity: open.integrity }, story).toEqual({ level: "root", integrity: "whole" });
      expect(file.slice(224, 256)).not.toEqual(root);
      expect(attacked(file, { name: "nothing", expect: "pin", mutate: () => undefined }, "root")).toEqual(file);
      seen.add("accepted");
    }
    expect([...seen].sort()).toEqual([...LEVELS, "accepted"].sort());
  });

  test("is the same file for the same seed", () => {
    for (const seed of [0, 1, 2 ** 31]) expect(randomMutation(artifact, seed)).toEqual(randomMutation(artifact, seed));
  });
});
