import { GATE_SIZE, SECTIONS, type SectionEntry } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { findingOf, opened } from "../../test/finding.ts";
import { sealTiny } from "../../test/seal-tiny.ts";
import { bytesOf, type Envelope } from "../envelope.ts";
import { gatePresent, legalGate } from "./v2-control-gate.ts";

let envelope: Envelope;

beforeAll(async () => {
  ({ envelope } = await opened(await sealTiny("speck")));
});

describe("the gate", () => {
  test("is one record and nothing beside it", () => {
    const withSize = (size: number): ReadonlyMap<"STX", SectionEntry> =>
      new Map([["STX", { ...SECTIONS.STX, offset: 0, size, digest: new Uint8Array(32) }]]);
    expect(findingOf(() => gatePresent(withSize(GATE_SIZE)))).toBe("nothing");
    for (const size of [0, GATE_SIZE - 1, GATE_SIZE + 1, 2 * GATE_SIZE])
      expect(findingOf(() => gatePresent(withSize(size)))).toBe("gate STX");
    expect(findingOf(() => gatePresent(new Map()))).toBe("gate-missing STX");
  });

  test("changed in any byte but its hashes is refused, and named by the reserved ones", () => {
    const bytes = bytesOf(envelope, "STX");
    const { abiHash, policyHash } = legalGate(bytes);
    const found = new Map<string, number>();
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      const finding = findingOf(() => legalGate(changed));
      if (finding === "nothing") {
        const gate = legalGate(changed);
        expect([gate.abiHash, gate.policyHash]).not.toEqual([abiHash, policyHash]);
      } else expect([`gate STX`, `gate STX+${at}`]).toContain(finding);
      const kind = finding.replace(/\d+$/, "");
      found.set(kind, (found.get(kind) ?? 0) + 1);
    }
    expect(found.get("nothing")).toBe(64);
    expect(found.get("gate STX")).toBeGreaterThan(4);
    expect(found.get("gate STX+")).toBeGreaterThan(0);
  });
});
