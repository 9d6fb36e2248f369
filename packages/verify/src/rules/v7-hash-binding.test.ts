import { ABI, encodeCanonical, readGate, toHex } from "@s7l/format";
import { beforeAll, describe, expect, test } from "vitest";
import { findingOf, opened } from "../../test/finding.ts";
import { sealTiny } from "../../test/seal-tiny.ts";
import { bytesOf, type Envelope } from "../envelope.ts";
import { boundHashes, expectedRoot, knownAbi } from "./v7-hash-binding.ts";

let envelope: Envelope;

beforeAll(async () => {
  ({ envelope } = await opened(await sealTiny("speck")));
});

describe("the root", () => {
  const root = new Uint8Array(32).map((_, i) => 0xa0 + i);

  test.each<[string, Uint8Array | string | undefined]>([
    ["nobody demands one", undefined],
    ["its bytes are demanded", root],
    ["its digits are", toHex(root)],
    ["its digits are in capitals", toHex(root).toUpperCase()],
  ])("is taken where %s", (_, pinned) => {
    expect(findingOf(() => expectedRoot(root, pinned))).toBe("nothing");
  });

  test.each<[string, unknown]>([
    ["another", "0".repeat(64)],
    ["one with its last bit changed", root.map((byte, i) => (i === 31 ? byte ^ 1 : byte))],
    ["no digits", ""],
    ["no bytes", new Uint8Array(0)],
    ["half of it", toHex(root).slice(0, 32)],
    ["more than it", `${toHex(root)}00`],
    ["33 bytes", new Uint8Array([...root, 0])],
    ["its digits behind 0x", `0x${toHex(root)}`],
    ["its digits with a space behind", `${toHex(root)} `],
    ["what is no digit", `${toHex(root).slice(0, -1)}g`],
    ["null", null],
    ["zero", 0],
    ["false", false],
    ["its bytes in a buffer", root.slice().buffer],
    ["its bytes in a view of them", new DataView(root.slice().buffer)],
    ["its bytes by twos", new Uint16Array(root.slice().buffer)],
    ["its bytes in a list", [...root]],
  ])("is refused where %s is demanded", (_, pinned) => {
    // As whoever writes no TypeScript may call it.
    const demand: (root: Uint8Array, pinned: never) => void = expectedRoot;
    expect(findingOf(() => demand(root, pinned as never))).toBe("root-unexpected header.root");
  });

  test("that is demanded in another form than a root's is said to be no root", () => {
    for (const pinned of ["", "00", "z".repeat(64), new Uint8Array(31)])
      expect(() => expectedRoot(root, pinned)).toThrow("not 32 bytes");
    expect(() => expectedRoot(root, "0".repeat(64))).toThrow(`the root is ${toHex(root)}`);
  });
});

describe("ABI, policy and display metadata", () => {
  test("are bound by their hashes", () => {
    const gate = readGate(bytesOf(envelope, "STX"));
    expect(findingOf(() => boundHashes(envelope, gate))).toBe("nothing");
    for (const [section, finding] of [
      ["ABI", "abi-hash STX"],
      ["POLICY", "policy-hash STX"],
      ["META", "meta-hash header.metaHash"],
    ] as const) {
      const sections = new Map(envelope.sections).set(section, Uint8Array.of(0x80));
      expect(findingOf(() => boundHashes({ ...envelope, sections }, gate))).toBe(finding);
    }
  });

  test("are of numerics that this release knows", () => {
    expect(knownAbi(ABI)).toEqual(ABI);
    expect(encodeCanonical(ABI)).toEqual(bytesOf(envelope, "ABI"));
    for (const change of [{ version: ABI.version + 1 }, { name: "s7l-float" }])
      expect(findingOf(() => knownAbi({ ...ABI, ...change }))).toBe("abi-unknown ABI");
    expect(findingOf(() => knownAbi({ name: ABI.name }))).toBe("schema ABI");
  });
});
