import { ATTACKS, attacked, LEVELS } from "@s7l/fixtures";
import { memorySource } from "@s7l/format";
import { describe, test } from "vitest";
import { verify } from "../src/index.ts";
import { brokenRule, fixtureOf } from "./refusal.ts";
import { replay } from "./seal-tiny.ts";

describe.each(LEVELS.filter((level) => level !== "root"))("with hashes rebuilt to the level %s", (level) => {
  test.each(ATTACKS.map((attack) => [attack.name, attack] as const))("%s is refused", async (_, attack) => {
    brokenRule(await verify(memorySource(attacked(await fixtureOf(attack.fixture), attack, level)), { replay }));
  });
});
