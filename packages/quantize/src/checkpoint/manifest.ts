/**
 * A manifest: size and SHA-256 of every file of a checkpoint, as canonical JSON (RFC 8785: keys in order, no spaces), so that one
 * checkpoint has one manifest and the hash of a manifest stands for the checkpoint.
 */
import { QuantizeError } from "../errors.ts";
import { isObject, type Json, parseJsonObject } from "../json.ts";

/** The usual name, in the checkpoint's folder. */
export const MANIFEST_FILE = "manifest.json";

/** A file as a manifest knows it. */
export interface ManifestEntry {
  readonly size: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** By name from the checkpoint's folder, with forward slashes. */
export type Manifest = ReadonlyMap<string, ManifestEntry>;

const FORMAT = "s7l-manifest";
const VERSION = 1;

/** The one encoding of a manifest. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  // RFC 8785 orders keys by UTF-16 units, which is what sort() does. Written by hand: an object would put "7" before "6a".
  const files = [...manifest.keys()].sort().map((name) => {
    const { size, sha256 } = manifest.get(name) ?? { size: 0, sha256: "" };
    return `${JSON.stringify(name)}:{"sha256":"${sha256}","size":${size}}`;
  });
  return new TextEncoder().encode(`{"files":{${files.join(",")}},"format":"${FORMAT}","version":${VERSION}}`);
}

/** Parses a manifest. Throws QuantizeError `checkpoint` for what `encodeManifest` would not write. */
export function parseManifest(bytes: Uint8Array, place: string): Manifest {
  const refuse = (message: string): never => {
    throw new QuantizeError("checkpoint", `${place} ${message}`, place);
  };
  const { format, version, files, ...rest } = parseJsonObject(bytes, place);
  if (format !== FORMAT) refuse(`is no manifest of s7l: its format is ${JSON.stringify(format)}`);
  if (version !== VERSION) refuse(`has version ${JSON.stringify(version)}; this program reads version ${VERSION}`);
  if (!isObject(files) || Object.keys(rest).length > 0) return refuse("does not hold a map of files and nothing else");
  const manifest = new Map(
    Object.entries(files).map(([name, entry]) => [name, parseEntry(entry) ?? refuse(`describes ${name} wrongly`)]),
  );
  const canonical = encodeManifest(manifest);
  if (canonical.length !== bytes.length || canonical.some((byte, i) => byte !== bytes[i]))
    refuse("is not in canonical form, so it was edited after it was made");
  return manifest;
}

function parseEntry(entry: Json): ManifestEntry | undefined {
  if (!isObject(entry)) return undefined;
  const { size, sha256 } = entry;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) return undefined;
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  return { size, sha256 };
}
