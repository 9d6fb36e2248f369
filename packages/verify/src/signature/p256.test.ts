import { createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import { concatBytes } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { fromHex, hasSuites, wycheproof } from "../../test/shared-suites.ts";
import { assertP256Key, verifyP256 } from "./p256.ts";

const message = new TextEncoder().encode("s7l");
const HEAD = fromHex("3059301306072a8648ce3d020106082a8648ce3d030107034200");

describe("a P-256 signature", () => {
  test("of node is accepted, and refused with any bit flipped", () => {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const point = new Uint8Array(pair.publicKey.export({ format: "der", type: "spki" })).slice(HEAD.length);
    const made = new Uint8Array(sign("sha256", message, pair.privateKey));
    expect(verifyP256(point, message, made)).toBe(true);
    expect(verifyP256(point, new Uint8Array([...message, 0]), made)).toBe(false);
    for (let bit = 0; bit < 8 * made.length; bit += 5) {
      const flipped = made.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verifyP256(point, message, flipped), `bit ${bit}`).toBe(false);
    }
    for (const length of [0, 1, made.length - 1])
      expect(verifyP256(point, message, made.subarray(0, length))).toBe(false);
    expect(verifyP256(point, message, new Uint8Array([...made, 0]))).toBe(false);
  });

  test("is accepted with either of its two S, as stock tools write both", () => {
    const { publicKey, secretKey } = p256.keygen();
    const made = p256.Signature.fromBytes(p256.sign(message, secretKey));
    const high = new p256.Signature(made.r, p256.Point.Fn.ORDER - made.s);
    expect([made.hasHighS(), high.hasHighS()]).toContain(true);
    const point = p256.Point.fromBytes(publicKey).toBytes(false);
    for (const signature of [made, high]) expect(verifyP256(point, message, signature.toBytes("der"))).toBe(true);
  });

  test("is by a key in one form: a point in its compressed form, in a hybrid one or with a byte more is none", () => {
    const point = p256.Point.fromBytes(p256.keygen().publicKey);
    const plain = point.toBytes(false);
    expect(() => assertP256Key(plain)).not.toThrow();
    const hybrid = Uint8Array.of(6 + ((plain.at(-1) ?? 0) % 2), ...plain.subarray(1));
    for (const other of [point.toBytes(true), hybrid, Uint8Array.of(...plain, 0)])
      expect(() => assertP256Key(other)).toThrow(/is not an uncompressed point/);
  });

  test("is not accepted under a key that is no point of the curve", () => {
    for (const point of [new Uint8Array(65), new Uint8Array(65).fill(4), Uint8Array.of(0), new Uint8Array(33).fill(2)])
      expect(() => assertP256Key(point)).toThrow(expect.objectContaining({ code: "key-weak" }));
  });
});

describe.skipIf(!hasSuites)("with the vectors of others", () => {
  interface Group {
    readonly publicKey: { readonly uncompressed: string };
  }
  interface Test {
    readonly tcId: number;
    readonly msg: string;
    readonly sig: string;
    readonly result: string;
  }

  test("every verdict of Wycheproof's is ours, and node's", () => {
    const tests = wycheproof<Group, Test>("ecdsa_secp256r1_sha256_test.json");
    const wrong = tests.filter(({ publicKey, msg, sig, result }) => {
      const point = fromHex(publicKey.uncompressed);
      const host = createPublicKey({ key: Buffer.from(concatBytes(HEAD, point)), format: "der", type: "spki" });
      const valid = result === "valid";
      return (
        verifyP256(point, fromHex(msg), fromHex(sig)) !== valid ||
        verify("sha256", fromHex(msg), host, fromHex(sig)) !== valid
      );
    });
    expect(tests.length).toBe(484);
    expect(wrong.map(({ tcId }) => tcId)).toEqual([]);
  });
});
