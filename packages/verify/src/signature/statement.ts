/**
 * The in-toto statement inside a bundle: which files are signed, by their SHA-256. Ours carries the root statement as an
 * annotation of the artifact's entry, so that a reader who has verified the root needs no other pass over the file; a
 * statement of the stock tool has none, and takes that pass.
 */
import { concatBytes, sha256, toHex } from "@s7l/format";
import { refuse } from "./errors.ts";
import { rootLine, type SignedRoot } from "./root-statement.ts";
import { expectText, fieldsOf, itemsOf, type Json, parseJson, textOf } from "./strict-json.ts";

export const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
export const PREDICATE_TYPE = "https://model_signing/signature/v1.0";
/** The annotation that holds the root statement's line. */
export const ROOT_ANNOTATION = "s7l";

/** A signed file. */
export interface Resource {
  /** Path from the signed folder; `.` where a single file was signed. */
  readonly name: string;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
  /** The root statement's line, where the signer was one of ours. */
  readonly root?: string;
}

const DIGEST = /^[0-9a-f]{64}$/;

/** Reads a statement. Throws SignatureError `signature-payload`. */
export function parseStatement(payload: Uint8Array): readonly Resource[] {
  const statement = fieldsOf(
    parseJson(payload, "statement", "signature-payload"),
    ["_type", "subject", "predicateType", "predicate"],
    [],
  );
  expectText(statement._type, STATEMENT_TYPE);
  expectText(statement.predicateType, PREDICATE_TYPE);
  const { resources, serialization } = fieldsOf(statement.predicate, ["resources", "serialization"], []);
  const how = fieldsOf(serialization, ["method", "hash_type", "allow_symlinks"], ["ignore_paths"]);
  expectText(how.method, "files");
  expectText(how.hash_type, "sha256");
  const files = itemsOf(resources).map(parseResource);
  if (new Set(files.map(({ name }) => name)).size !== files.length)
    refuse("signature-payload", "the statement names a file twice");

  const [subject, ...more] = itemsOf(statement.subject);
  if (!subject || more.length > 0) return refuse("signature-payload", "the statement has not exactly one subject");
  const { name, digest } = fieldsOf(subject, ["name", "digest"], []);
  textOf(name);
  // The subject stands for the list: SHA-256 of the digests, one after another.
  const whole = sha256(concatBytes(...files.map((file) => bytesOf(file.digest))));
  if (textOf(fieldsOf(digest, ["sha256"], []).sha256, DIGEST) !== toHex(whole))
    refuse("signature-payload", "the statement's subject is not the digest of its files");
  return files;
}

function parseResource(item: Json): Resource {
  const { name, digest, algorithm, annotations } = fieldsOf(item, ["name", "digest", "algorithm"], ["annotations"]);
  expectText(algorithm, "sha256");
  const root = annotations && fieldsOf(annotations, [], [ROOT_ANNOTATION])[ROOT_ANNOTATION];
  return { name: textOf(name), digest: textOf(digest, DIGEST), ...(root ? { root: textOf(root) } : {}) };
}

function bytesOf(digest: string): Uint8Array {
  return Uint8Array.from(digest.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** An artifact as a statement may speak of it. */
export interface SignedFile extends SignedRoot {
  /** Its name in a signed folder. */
  readonly name?: string | undefined;
  /** SHA-256 of all its bytes; asked for only where the statement has no root. */
  readonly digest: () => Promise<Uint8Array>;
}

/**
 * Finds the artifact among signed files: by its root whatever its name, else by name and digest. Throws SignatureError
 * `signature-subject`.
 */
export async function checkStatement(files: readonly Resource[], artifact: SignedFile): Promise<void> {
  const line = rootLine(artifact);
  if (files.some(({ root }) => root === line)) return;
  const names = files.length === 1 ? [".", artifact.name] : [artifact.name];
  const file = files.find(({ name }) => names.includes(name));
  if (!file)
    return refuse("signature-subject", `the bundle signs ${files.length} files, and none of them is this one by name`);
  if (file.root !== undefined)
    return refuse("signature-subject", `the bundle signs "${file.root}", the artifact is "${line}"`);
  const digest = toHex(await artifact.digest());
  if (file.digest !== digest)
    refuse("signature-subject", `the bundle signs a file of SHA-256 ${file.digest}, this one has ${digest}`);
}

/** Finds a file of these bytes among signed files, by name or as the only one. Throws SignatureError `signature-subject`. */
export function checkFileDigest(files: readonly Resource[], name: string | undefined, digest: Uint8Array): void {
  const names = files.length === 1 ? [".", name] : [name];
  const file = files.find((it) => names.includes(it.name));
  // One with a root is of an artifact, whatever its digest.
  if (file?.digest !== toHex(digest) || file.root !== undefined)
    refuse("signature-subject", `the bundle signs no file of SHA-256 ${toHex(digest)} under this name`);
}
