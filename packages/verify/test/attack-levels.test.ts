import { ATTACKS, attacked, LEVELS } from "@s7l/fixtures";
import { memorySource } from "@s7l/format";
import { beforeAll, describe, test } from "vitest";
import { verify } from "../src/index.ts";
import { brokenRule, sealFixtures } from "./refusal.ts";
import { replay } from "./seal-tiny.ts";

let fixtureOf: Awaited<ReturnType<typeof sealFixtures>>;

beforeAll(async () => {
  fixtureOf = await sealFixtures();
});

describe.each(LEVELS.filter((level) => level !== "root"))("with hashes rebuilt to the level %s", (level) => {
  test.each(ATTACKS.map((attack) => [attack.name, attack] as const))("%s is refused", async (_, attack) => {
    brokenRule(await verify(memorySource(attacked(fixtureOf(attack.fixture), attack, level)), { replay }));
  });
});
