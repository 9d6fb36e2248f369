import { ed25519 } from "@noble/curves/ed25519.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { concatBytes } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { toBase64 } from "./base64.ts";
import { checkMinisign, minisignKeyName, parseMinisign } from "./minisign.ts";

const secret = new Uint8Array(32).fill(7);
const point = ed25519.getPublicKey(secret);
const id = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0xab);
const key = { kind: "ed25519", point, id } as const;
const message = new TextEncoder().encode("a message");
const NAME = "AB07060504030201";

/** A signature file as the tool writes it, and with anything in it set apart. */
function file({
  form = "ED",
  comment = "trusted",
  untrusted = "any",
  name = id,
  end = "\n",
  tail = "\n",
} = {}): string {
  const signed = form === "ED" ? blake2b(message, { dkLen: 64 }) : message;
  const signature = ed25519.sign(signed, secret);
  const whole = ed25519.sign(concatBytes(signature, new TextEncoder().encode(comment)), secret);
  const head = concatBytes(new TextEncoder().encode(form), name, signature);
  const lines = [`untrusted comment: ${untrusted}`, toBase64(head), `trusted comment: ${comment}`, toBase64(whole)];
  return `${lines.join(end)}${tail}`;
}
const refused = (code: string) => expect.objectContaining({ name: "SignatureError", code });

describe("a minisign signature", () => {
  test.each([
    ["of the message's hash", {}],
    ["of the message itself, as older tools made it", { form: "Ed" }],
    ["with the line ends of Windows", { end: "\r\n" }],
    ["without an end to its last line", { tail: "" }],
    ["with empty comments", { comment: "", untrusted: "" }],
    ["with comments as long as they may be", { comment: "c".repeat(8192), untrusted: "u".repeat(1024) }],
  ])("holds %s", (_, how) => {
    const given = parseMinisign(file(how));
    expect(given).toMatchObject({ id, prehashed: !("form" in how) });
    if ("comment" in how) expect(given.comment).toBe(how.comment);
    checkMinisign(given, key, message);
    // A key from PEM has no name.
    checkMinisign(given, { kind: "ed25519", point }, message);
  });

  test.each<[string, string]>([
    ["of another kind", file({ form: "XX" })],
    ["of a kind with one letter right", file({ form: "EX" })],
    ["with a comment of two lines", file({ comment: "a\nb" })],
    ["with a comment too long", file({ comment: "c".repeat(8193) })],
    ["with an untrusted comment too long", file({ untrusted: "u".repeat(1025) })],
    ["with no first line", file().slice(file().indexOf("\n") + 1)],
    ["with a line more", `${file()}\n`],
    ["with spaces at its end", file({ tail: " \n" })],
    ["with a byte more in its signature", file({ name: Uint8Array.of(...id, 0) })],
    ["with a byte less in its signature", file({ name: id.slice(1) })],
    ["with 65 bytes for the comment's", file().replace(/.{4}\n$/, "AAA=\n")],
    ["with 66 bytes for the comment's", file().replace(/.{4}\n$/, "AAAA\n")],
  ])("is no %s", (_, text) => {
    expect(() => parseMinisign(text)).toThrow(refused("signature-form"));
  });

  test("names keys as the tool does", () => {
    expect(minisignKeyName(id)).toBe(NAME);
    expect(id[0]).toBe(1);
    const given = parseMinisign(file({ name: new Uint8Array(8) }));
    expect(() => checkMinisign(given, key, message)).toThrow(
      expect.objectContaining({ code: "key-other", message: expect.stringContaining(`0000000000000000, not ${NAME}`) }),
    );
  });

  test("is of one message, one form and one comment", () => {
    const given = parseMinisign(file());
    for (const wrong of [
      { ...given, prehashed: false },
      { ...given, comment: "trusted " },
      { ...given, signature: given.commentSignature },
      { ...given, commentSignature: given.signature },
    ])
      expect(() => checkMinisign(wrong, key, message)).toThrow(refused("signature-wrong"));
    expect(() => checkMinisign(given, key, message.subarray(1))).toThrow(refused("signature-wrong"));
    const stranger = ed25519.getPublicKey(new Uint8Array(32).fill(8));
    expect(() => checkMinisign(given, { ...key, point: stranger }, message)).toThrow(refused("signature-wrong"));
  });
});
