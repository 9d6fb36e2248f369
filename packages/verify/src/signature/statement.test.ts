import { sha256, toHex } from "@s7l/format";
import { describe, expect, test, vi } from "vitest";
import type { LooseStatement } from "../../test/loose-statement.ts";
import { rootLine } from "./root-statement.ts";
import { checkFileDigest, checkStatement, parseStatement, type Resource } from "./statement.ts";

const digestOf = (text: string): Uint8Array => sha256(new TextEncoder().encode(text));
const hexOf = (text: string): string => toHex(digestOf(text));

/** A statement of the stock tool about some files, changed. */
function statementOf(
  [first, ...others]: readonly [string, ...string[]],
  change: (statement: LooseStatement) => unknown = () => undefined,
): Uint8Array {
  const names = [first, ...others];
  const resource = (name: string) => ({ name, digest: hexOf(name), algorithm: "sha256" });
  const statement: LooseStatement = {
    _type: "https://in-toto.io/Statement/v1",
    subject: [
      { name: "folder", digest: { sha256: toHex(sha256(new Uint8Array(Buffer.concat(names.map(digestOf))))) } },
    ],
    predicateType: "https://model_signing/signature/v1.0",
    predicate: {
      resources: [resource(first), ...others.map(resource)],
      serialization: { method: "files", hash_type: "sha256", allow_symlinks: false },
    },
  };
  change(statement);
  return new TextEncoder().encode(JSON.stringify(statement));
}
describe("a statement", () => {
  test("gives its files in their order", () => {
    expect(parseStatement(statementOf(["b", "a"]))).toEqual([
      { name: "b", digest: hexOf("b") },
      { name: "a", digest: hexOf("a") },
    ]);
  });

  test("gives the root that one of them has", () => {
    const payload = statementOf(["a"], ({ predicate }) => {
      predicate.resources[0].annotations = { s7l: "a root" };
      predicate.serialization.ignore_paths = ["x"];
    });
    expect(parseStatement(payload)).toEqual([{ name: "a", digest: hexOf("a"), root: "a root" }]);
    const empty = statementOf(["a"], ({ predicate }) => {
      predicate.resources[0].annotations = {};
    });
    expect(parseStatement(empty)).toEqual([{ name: "a", digest: hexOf("a") }]);
  });

  test.each<[string, (statement: LooseStatement) => unknown, string]>([
    ["no type", (it) => Reflect.deleteProperty(it, "_type"), "statement has no"],
    ["another type", (it) => Object.assign(it, { _type: "x" }), "statement._type is"],
    ["another predicate", (it) => Object.assign(it, { predicateType: "x" }), "statement.predicateType is"],
    ["a field that nobody knows", (it) => Object.assign(it, { more: 1 }), '"more"'],
    ["no resources", (it) => Reflect.deleteProperty(it.predicate, "resources"), "statement.predicate has no"],
    ["resources that are no list", (it) => Object.assign(it.predicate, { resources: {} }), "resources is not a list"],
    ["no serialization", (it) => Reflect.deleteProperty(it.predicate, "serialization"), "statement.predicate has no"],
    ["another method", (it) => Object.assign(it.predicate.serialization, { method: "x" }), "serialization.method is"],
    [
      "another hash",
      (it) => Object.assign(it.predicate.serialization, { hash_type: "x" }),
      "serialization.hash_type is",
    ],
    ["nothing said of links", (it) => delete it.predicate.serialization.allow_symlinks, '"allow_symlinks"'],
    ["another algorithm", (it) => Object.assign(it.predicate.resources[0], { algorithm: "x" }), "algorithm is"],
    ["a digest too short", (it) => Object.assign(it.predicate.resources[0], { digest: "00" }), "digest is"],
    [
      "a digest too long",
      (it) => Object.assign(it.predicate.resources[0], { digest: "0".repeat(65) }),
      "resources[0].digest is",
    ],
    [
      "a digest in capitals",
      (it) => Object.assign(it.predicate.resources[0], { digest: "A".repeat(64) }),
      "resources[0].digest is",
    ],
    [
      "an annotation of somebody else's",
      (it) => Object.assign(it.predicate.resources[0], { annotations: { x: "y" } }),
      '"x"',
    ],
    [
      "an annotation that is no text",
      (it) => Object.assign(it.predicate.resources[0], { annotations: { s7l: 1 } }),
      "annotations.s7l is not a string",
    ],
    ["a file twice", (it) => it.predicate.resources.push(it.predicate.resources[0]), "twice"],
    ["no subject", (it) => it.subject.pop(), "one subject"],
    ["two subjects", (it) => it.subject.push(it.subject[0]), "one subject"],
    ["a subject without a name", (it) => Reflect.deleteProperty(it.subject[0], "name"), "statement.subject[0] has no"],
    ["a name that is a number", (it) => Object.assign(it.subject[0], { name: 1 }), "subject[0].name is not"],
    [
      "a subject with another digest",
      (it) => Object.assign(it.subject[0].digest, { sha256: "0".repeat(64) }),
      "not the digest of its files",
    ],
    [
      "a subject with a second digest",
      (it) => Object.assign(it.subject[0].digest, { sha512: "" }),
      "statement.subject[0].digest",
    ],
    ["its files in another order", (it) => it.predicate.resources.reverse(), "not the digest of its files"],
    ["a file less", (it) => it.predicate.resources.pop(), "not the digest of its files"],
  ])("is refused with %s", (_, change, message) => {
    expect(() => parseStatement(statementOf(["a", "b"], change))).toThrow(
      expect.objectContaining({
        name: "SignatureError",
        code: "signature-payload",
        message: expect.stringContaining(message),
      }),
    );
  });
});

const file = (name: string, more: Partial<Resource> = {}): Resource => ({ name, digest: hexOf(name), ...more });
const sealed = { root: new Uint8Array(32).fill(7), size: 9 };
const line = rootLine(sealed);
const refused = { name: "SignatureError", code: "signature-subject" };

describe("an artifact among signed files", () => {
  const far = vi.fn(async () => digestOf("m.s7l"));
  const find = (files: readonly Resource[], name?: string) => checkStatement(files, { ...sealed, name, digest: far });

  test.each<[string, readonly Resource[], string | undefined]>([
    ["the only one", [file("x", { root: line })], undefined],
    ["another name", [file("x", { root: line })], "m.s7l"],
    ["others beside it", [file("m.s7l"), file("x", { root: line })], undefined],
    ["one of another root before it", [file("m.s7l", { root: "other" }), file("x", { root: line })], "m.s7l"],
  ])("is found by its root, with %s, and nobody reads it whole", async (_, files, name) => {
    far.mockClear();
    await find(files, name);
    expect(far).not.toHaveBeenCalled();
  });

  test.each<[string, readonly Resource[], string | undefined]>([
    ["by its name", [file("m.s7l")], "m.s7l"],
    ["by its name, among others", [file("a"), file("m.s7l"), file("z")], "m.s7l"],
    ["as the file that was signed by itself", [file(".", { digest: hexOf("m.s7l") })], undefined],
    ["as that file, whatever it is called", [file(".", { digest: hexOf("m.s7l") })], "other"],
  ])("is found %s and its digest", async (_, files, name) => {
    await find(files, name);
  });

  test.each<[string, readonly Resource[], string | undefined]>([
    ["no file", [], "m.s7l"],
    ["another name", [file("m.s7l")], "other"],
    ["no name for it", [file("m.s7l")], undefined],
    ["no name for it among several", [file("."), file("m.s7l")], undefined],
    ["a whole folder among several", [file(".", { digest: hexOf("m.s7l") }), file("a")], "m.s7l"],
    ["another digest", [file("m.s7l", { digest: hexOf("a") })], "m.s7l"],
    ["another root, though the digest is right", [file("m.s7l", { root: `${line}0` })], "m.s7l"],
  ])("is not found where there is %s", async (_, files, name) => {
    await expect(find(files, name)).rejects.toMatchObject(refused);
  });
});

describe("a small file among signed files", () => {
  const digest = digestOf("r.json");

  test.each<[string, readonly Resource[], string | undefined]>([
    ["by its name", [file("a"), file("r.json")], "r.json"],
    ["by its name alone", [file("r.json")], "r.json"],
    ["as the only one", [file(".", { digest: toHex(digest) })], undefined],
  ])("is found %s", (_, files, name) => {
    checkFileDigest(files, name, digest);
  });

  test.each<[string, readonly Resource[], string | undefined]>([
    ["no file", [], "r.json"],
    ["no name for it", [file("r.json")], undefined],
    ["another name", [file("a", { digest: toHex(digest) })], "r.json"],
    ["a whole folder among several", [file(".", { digest: toHex(digest) }), file("a")], "r.json"],
    ["another digest", [file("r.json", { digest: hexOf("a") })], "r.json"],
    ["a root", [file("r.json", { root: line })], "r.json"],
  ])("is not found where there is %s", (_, files, name) => {
    expect(() => checkFileDigest(files, name, digest)).toThrow(expect.objectContaining(refused));
  });
});
