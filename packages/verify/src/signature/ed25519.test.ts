import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { concatBytes } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { fromHex, hasSuites, suiteText, wycheproof } from "../../test/shared-suites.ts";
import { verifyEd25519 } from "./ed25519.ts";

type Verdict = "accepted" | "refused" | "weak key";

function ours(key: Uint8Array, message: Uint8Array, signature: Uint8Array): Verdict {
  try {
    return verifyEd25519(key, message, signature) ? "accepted" : "refused";
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "key-weak") return "weak key";
    throw error;
  }
}

/** OpenSSL's verdict, which asks nothing of the key. */
function theirs(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const der = concatBytes(fromHex("302a300506032b6570032100"), key);
  return verify(null, message, createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" }), signature);
}

const { Point } = ed25519;
const L = Point.Fn.ORDER;
const seed = new Uint8Array(32).fill(7);
const key = ed25519.getPublicKey(seed);
const message = new TextEncoder().encode("s7l");
const signature = ed25519.sign(message, seed);
/** A point of order 8. */
const TORSION = Point.fromBytes(fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"));

const littleEndian = (value: bigint): Uint8Array => {
  const bytes = new Uint8Array(32);
  for (let i = 0, rest = value; i < 32; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
};
const numberOf = (bytes: Uint8Array): bigint => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);

describe("an Ed25519 signature", () => {
  test.each([
    [
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
      "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
  ])("of RFC 8032 is accepted: %s", (key, message, signature) => {
    expect(ours(fromHex(key), fromHex(message), fromHex(signature))).toBe("accepted");
  });

  test("is 64 bytes, though a zero more would be the same number S", () => {
    expect(ours(key, message, signature)).toBe("accepted");
    for (const other of [concatBytes(signature, Uint8Array.of(0)), signature.subarray(0, 63)])
      expect(ours(key, message, other)).toBe("refused");
  });

  test("of node is accepted, and refused with any bit flipped", () => {
    const pair = generateKeyPairSync("ed25519");
    const point = new Uint8Array(pair.publicKey.export({ format: "der", type: "spki" })).slice(12);
    const made = new Uint8Array(sign(null, message, pair.privateKey));
    expect(ours(point, message, made)).toBe("accepted");
    for (let bit = 0; bit < 512; bit += 7) {
      const flipped = made.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(ours(point, message, flipped), `bit ${bit}`).toBe("refused");
      expect(theirs(point, message, flipped), `bit ${bit}`).toBe(false);
    }
  });

  test.each([0, 32, 63, 65, 128])("of %i bytes is refused", (length) => {
    expect(ours(key, message, new Uint8Array(length))).toBe("refused");
  });

  test("has one S: that of S + L, which satisfies the equation, is refused", () => {
    const malleable = signature.slice();
    malleable.set(littleEndian(numberOf(signature.subarray(32)) + L), 32);
    expect(ours(key, message, malleable)).toBe("refused");
  });

  test("is held to the equation without cofactor", () => {
    // R with a torsion part: the equation holds when both sides are multiplied by 8, and only then.
    const r = 12345n;
    const { scalar } = ed25519.utils.getExtendedPublicKey(seed);
    const point = Point.BASE.multiply(r).add(TORSION).toBytes();
    const hash = numberOf(
      new Uint8Array(
        createHash("sha512")
          .update(concatBytes(point, key, message))
          .digest(),
      ),
    );
    const s = (r + hash * scalar) % L;
    const forged = concatBytes(point, littleEndian(s));
    expect(ed25519.verify(forged, message, key, { zip215: true })).toBe(true);
    expect(ours(key, message, forged)).toBe("refused");
    expect(theirs(key, message, forged)).toBe(false);
  });
});

describe("an Ed25519 key", () => {
  test("of mixed order is refused, for whose signatures hosts differ", () => {
    const mixed = Point.fromBytes(key).add(TORSION).toBytes();
    expect(ours(mixed, message, signature)).toBe("weak key");
  });

  test("of small order is refused, under which anything verifies", () => {
    for (let point = TORSION, i = 0; i < 8; i++, point = point.add(TORSION))
      expect(ours(point.toBytes(), message, signature)).toBe("weak key");
    // The neutral element, with R = [S]B: valid for every message.
    const neutral = Point.ZERO.toBytes();
    const anything = concatBytes(Point.BASE.multiply(5n).toBytes(), littleEndian(5n));
    expect(theirs(neutral, message, anything)).toBe(true);
    expect(ours(neutral, message, anything)).toBe("weak key");
  });

  test.each([
    ["y = p, in place of 0", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"],
    ["y = p + 1, in place of 1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"],
    ["the sign of a zero x", "0100000000000000000000000000000000000000000000000000000000000080"],
    ["no point of the curve", "0200000000000000000000000000000000000000000000000000000000000000"],
    ["too few bytes", "00"],
  ])("is refused that is %s", (_, encoding) => {
    expect(ours(fromHex(encoding), message, signature)).toBe("weak key");
  });
});

describe.skipIf(!hasSuites)("with the vectors of others", () => {
  interface EdGroup {
    readonly publicKey: { readonly pk: string };
  }
  interface EdTest {
    readonly tcId: number;
    readonly msg: string;
    readonly sig: string;
    readonly result: string;
  }

  test("every verdict of Wycheproof's is ours, and node's", () => {
    const tests = wycheproof<EdGroup, EdTest>("ed25519_test.json");
    const wrong = tests.filter(({ publicKey, msg, sig, result }) => {
      const input = [fromHex(publicKey.pk), fromHex(msg), fromHex(sig)] as const;
      return (ours(...input) === "accepted") !== (result === "valid") || theirs(...input) !== (result === "valid");
    });
    expect(tests.length).toBe(151);
    expect(wrong.map(({ tcId }) => tcId)).toEqual([]);
  });

  test("no edge case is accepted, though node accepts some: those for their keys", () => {
    const edges: readonly { message: string; pub_key: string; signature: string }[] = JSON.parse(
      suiteText("noble-ed25519-edge/edge-cases.json"),
    );
    const verdicts = edges.map(({ message, pub_key, signature }) => {
      const input = [fromHex(pub_key), fromHex(message), fromHex(signature)] as const;
      return { ours: ours(...input), theirs: theirs(...input) };
    });
    expect(verdicts.length).toBe(12);
    expect(verdicts.filter((verdict) => verdict.ours === "accepted")).toEqual([]);
    expect(verdicts.filter((verdict) => verdict.theirs).map((verdict) => verdict.ours)).toEqual(
      verdicts.filter((verdict) => verdict.theirs).map(() => "weak key"),
    );
    expect(verdicts.some((verdict) => verdict.theirs)).toBe(true);
  });

  test("none of ZIP 215's points of small order is accepted as a key", () => {
    const points: readonly { vk_bytes: string; sig_bytes: string }[] = JSON.parse(
      suiteText("noble-ed25519-edge/zip215.json"),
    );
    const verdicts = points.map(({ vk_bytes, sig_bytes }) =>
      ours(fromHex(vk_bytes), new TextEncoder().encode("Zcash"), fromHex(sig_bytes)),
    );
    expect(verdicts.length).toBe(196);
    expect(new Set(verdicts)).toEqual(new Set(["weak key"]));
  });
});
