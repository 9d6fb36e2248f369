import { ATTACKS, attacked } from "@s7l/fixtures";
import { memorySource } from "@s7l/format";
import { expect, test } from "vitest";
import { fixtureOf } from "../test/refusal.ts";
import { sealWide } from "../test/seal-wide.ts";
import { openVerified, verify } from "./verify.ts";

test("a byte that content forbids is a changed byte first, where the chunk is not the sealed one", async () => {
  const file = await sealWide();
  const artifact = await openVerified(memorySource(file));
  const places = artifact.plan.map(({ name }) => ({ ...artifact.record(name), name }));
  const end = Math.max(...places.map(({ offset, length }) => offset + length));
  const { name, offset } = places.reduce((a, b) => (b.length > a.length ? b : a));
  file[file.length - end + offset] = 0x80;
  expect(await verify(memorySource(file))).toMatchObject({ broken: { id: "V3", code: "chunk", at: `${name}#0` } });
});

test.each(
  ATTACKS.filter(({ name }) => name.startsWith("content: ")).map((attack) => [attack.name.slice(9), attack] as const),
)("tells of %s what it is and where, as soon as it is read", async (_, attack) => {
  const { broken } = await verify(memorySource(attacked(await fixtureOf(attack.fixture), attack, "root")));
  // Not that the scan, which stopped there, did not come to the span's end.
  expect(broken?.message ?? "").not.toContain("span ends");
});
