/**
 * Minisign's key files. A secret key is 104 bytes (name, seed, public key, checksum), which scrypt's output is added to by XOR
 * where there is a password. The cost is in the file, so it is bounded before it is paid.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { concatBytes, equalBytes } from "@s7l/format";
import { fromBase64, toBase64 } from "../signature/base64.ts";
import { refuse } from "../signature/errors.ts";
import { minisignKeyName } from "../signature/minisign.ts";
import type { Ed25519Key } from "../signature/public-key.ts";
import { deriveByScrypt, type ScryptCost } from "./scrypt.ts";

/** What a secret key file holds. */
export interface MinisignSecret {
  readonly seed: Uint8Array;
  readonly id: Uint8Array;
}

const FILE = /^untrusted comment: [^\r\n]{0,1024}\r?\n([A-Za-z0-9+/=]{212})\s*$/;

/** Bytes: kinds of signature, key derivation and checksum; salt, cost of time, cost of memory. */
const SALT_AT = 6;
const TIME_AT = 38;
const MEMORY_AT = 46;
const BODY_AT = 54;
const BODY = 104;
/** In the body, after name, seed and public key. */
const CHECKSUM_AT = 72;
const ED = Uint8Array.of(0x45, 0x64);
const SCRYPT = Uint8Array.of(0x53, 0x63);
const PLAIN = Uint8Array.of(0, 0);
const BLAKE2 = Uint8Array.of(0x42, 0x32);

/** The tool's own cost is 2^20 blocks of 1 KiB; more than that is not paid. */
const MOST_BLOCKS = 2 ** 20;
const MOST_PASSES = 16;
/** Ours: 2^17 blocks, 128 MiB (OWASP's recommendation), as a browser has to bear it too. Time and memory as libsodium counts. */
const COST = { time: 2 ** 22, memory: 2 ** 27 } as const;

/** Whether a text looks like a secret key of minisign's. */
export function isMinisignSecret(text: string): boolean {
  return FILE.test(text);
}

/** Reads a secret key. Throws SignatureError `key-form`, `key-kind` or `key-password`. */
export function readMinisignSecret(text: string, password: string | undefined): MinisignSecret {
  const bytes = fromBase64(FILE.exec(text)?.[1] ?? "", "key-form", "the minisign secret key");
  const is = (at: number, kind: Uint8Array): boolean => equalBytes(bytes.subarray(at, at + 2), kind);
  if (bytes.length !== BODY_AT + BODY || !is(0, ED) || !is(4, BLAKE2))
    refuse("key-kind", "the minisign secret key is of an unknown kind");
  const body = bytes.slice(BODY_AT);
  if (is(2, SCRYPT)) {
    if (password === undefined) return refuse("key-password", "the key is encrypted: give its password");
    mask(body, password, bytes);
    if (!equalBytes(checksum(body), body.subarray(CHECKSUM_AT)))
      refuse("key-password", "the password is not this key's, or the key file is damaged");
  } else if (!is(2, PLAIN)) refuse("key-kind", "the minisign secret key is encrypted in an unknown way");
  // The tool leaves the checksum of a plain key zero; the public half tells whether it is whole.
  const id = body.slice(0, 8);
  const seed = body.slice(8, 40);
  if (!equalBytes(ed25519.getPublicKey(seed), body.subarray(40, CHECKSUM_AT)))
    refuse("key-form", "the secret key and the public key beside it do not belong together");
  return { seed, id };
}

/** Writes a secret key file, encrypted where a password is given. */
export function writeMinisignSecret({ seed, id }: MinisignSecret, password?: string): string {
  const head = concatBytes(ED, password === undefined ? PLAIN : SCRYPT, BLAKE2, new Uint8Array(48));
  const body = concatBytes(id, seed, ed25519.getPublicKey(seed), new Uint8Array(32));
  if (password !== undefined) {
    body.set(checksum(body), CHECKSUM_AT);
    globalThis.crypto.getRandomValues(head.subarray(SALT_AT, TIME_AT));
    const view = new DataView(head.buffer);
    view.setBigUint64(TIME_AT, BigInt(COST.time), true);
    view.setBigUint64(MEMORY_AT, BigInt(COST.memory), true);
    mask(body, password, head);
  }
  const comment = password === undefined ? "minisign secret key" : "minisign encrypted secret key";
  return `untrusted comment: ${comment}\n${toBase64(concatBytes(head, body))}\n`;
}

/** Writes a public key file. */
export function writeMinisignPublic({ id, point }: Required<Ed25519Key>): string {
  return `untrusted comment: minisign public key ${minisignKeyName(id)}\n${toBase64(concatBytes(ED, id, point))}\n`;
}

function checksum(body: Uint8Array): Uint8Array {
  return blake2b(concatBytes(ED, body.subarray(0, CHECKSUM_AT)), { dkLen: 32 });
}

/** Adds the stream of a password to a body, which also takes it away again. */
function mask(body: Uint8Array, password: string, head: Uint8Array): void {
  const view = new DataView(head.buffer, head.byteOffset);
  const cost = scryptCost(view.getBigUint64(TIME_AT, true), view.getBigUint64(MEMORY_AT, true));
  const stream = deriveByScrypt(password, head.slice(SALT_AT, TIME_AT), cost, BODY);
  for (let i = 0; i < BODY; i++) body[i] = (body[i] ?? 0) ^ (stream[i] ?? 0);
}

/** Blocks and passes from limits of time and memory, as libsodium picks them (crypto_pwhash_scryptsalsa208sha256). */
function scryptCost(time: bigint, memory: bigint): ScryptCost {
  const r = 8n;
  const operations = time < 32_768n ? 32_768n : time;
  const bounded = operations < memory / 32n;
  const most = bounded ? operations / (r * 4n) : memory / (r * 128n);
  let blocks = 2n;
  while (blocks <= most / 2n && blocks <= MOST_BLOCKS) blocks *= 2n;
  // One at the least: where time bounds nothing, there is more of it than blocks take.
  const passes = bounded ? 1n : operations / 4n / blocks / r;
  if (blocks > MOST_BLOCKS || passes > MOST_PASSES)
    return refuse("key-form", "the key file asks for more work or memory than a key is worth");
  return { N: Number(blocks), r: Number(r), p: Number(passes) };
}
