/**
 * Private keys under a password: PKCS #8 EncryptedPrivateKeyInfo with PBES2 (RFC 8018), as `openssl genpkey -aes256` writes it.
 * PBKDF2 and AES are WebCrypto's, scrypt (RFC 7914) is the host's or noble's. The work that a file asks for is bounded before
 * it is done.
 */
import { equalBytes } from "@s7l/format";
import { refuse } from "../signature/errors.ts";
import { DER, type DerReader, readDer, writeDer } from "./der.ts";
import { deriveByScrypt } from "./scrypt.ts";

/** The label of the PEM block. */
export const ENCRYPTED_LABEL = "ENCRYPTED PRIVATE KEY";

const oid = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);
const PBES2 = oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13);
const PBKDF2 = oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12);
const SCRYPT = oid(0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11);

interface Prf {
  readonly hash: "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512";
  readonly id: Uint8Array;
}
const hmacWith = (hash: Prf["hash"], last: number): Prf => ({
  hash,
  id: oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, last),
});
const HMAC_SHA1 = hmacWith("SHA-1", 7);
const HMAC_SHA256 = hmacWith("SHA-256", 9);
const PRFS: readonly Prf[] = [HMAC_SHA1, HMAC_SHA256, hmacWith("SHA-384", 10), hmacWith("SHA-512", 11)];

/** AES in CBC mode, by the bytes of its key. (Browsers have none of 24.) */
const AES: readonly { readonly keySize: number; readonly id: Uint8Array }[] = [
  { keySize: 16, id: oid(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 2) },
  { keySize: 32, id: oid(0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42) },
];
const [, AES_256 = { keySize: 32, id: oid() }] = AES;

/** OWASP's number for PBKDF2-HMAC-SHA256 (2023): a fifth of a second. */
const ROUNDS = 600_000;
/** A file that asks for more asks for a minute, or for a gibibyte. */
const MOST_ROUNDS = 10_000_000;
const MOST_SCRYPT_BYTES = 2 ** 30;
const MOST_PASSES = 16;
const MOST_SALT = 64;
const IV_SIZE = 16;

type Kdf =
  | { readonly kind: "pbkdf2"; readonly salt: Uint8Array<ArrayBuffer>; readonly rounds: number; readonly prf: Prf }
  | { readonly kind: "scrypt"; readonly salt: Uint8Array; readonly N: number; readonly r: number; readonly p: number };

/** PKCS #8, decrypted. Throws SignatureError `key-form`, `key-kind` or `key-password`. */
export async function decryptKey(der: Uint8Array, password: string | undefined): Promise<Uint8Array> {
  const { kdf, keySize, iv, sealed } = readDer(der, (file) => file.inside(readEncrypted));
  if (password === undefined) return refuse("key-password", "the key is encrypted: give its password");
  const key = await aesKey(await derive(kdf, keySize, password), "decrypt");
  const wrong = (cause?: unknown): never =>
    refuse("key-password", "the password is not this key's, or the key file is damaged", cause);
  const plain = await subtle().decrypt({ name: "AES-CBC", iv }, key, sealed).catch(wrong);
  const bytes = new Uint8Array(plain);
  try {
    // The padding of CBC comes out right by chance once in 256 times; then what was decrypted is no DER.
    readDer(bytes, (values) => values.take(DER.sequence));
  } catch (cause) {
    wrong(cause);
  }
  return bytes;
}

/** PKCS #8, encrypted: PBKDF2-HMAC-SHA256 of 600,000 rounds, AES-256-CBC. */
export async function encryptKey(der: Uint8Array, password: string): Promise<Uint8Array> {
  const salt = globalThis.crypto.getRandomValues(new Uint8Array(16));
  const iv = globalThis.crypto.getRandomValues(new Uint8Array(IV_SIZE));
  const { keySize, id } = AES_256;
  const kdf: Kdf = { kind: "pbkdf2", salt, rounds: ROUNDS, prf: HMAC_SHA256 };
  const key = await aesKey(await derive(kdf, keySize, password), "encrypt");
  const sealed = new Uint8Array(await subtle().encrypt({ name: "AES-CBC", iv }, key, der.slice()));
  const rounds = Uint8Array.of(ROUNDS >> 16, (ROUNDS >> 8) & 255, ROUNDS & 255);
  const sequence = (...content: readonly Uint8Array[]): Uint8Array => writeDer(DER.sequence, ...content);
  const named = (name: Uint8Array, parameters: Uint8Array): Uint8Array => sequence(writeDer(DER.oid, name), parameters);
  const prf = named(HMAC_SHA256.id, writeDer(DER.nothing));
  const derivation = named(PBKDF2, sequence(writeDer(DER.bytes, salt), writeDer(DER.integer, rounds), prf));
  const encryption = named(id, writeDer(DER.bytes, iv));
  return sequence(named(PBES2, sequence(derivation, encryption)), writeDer(DER.bytes, sealed));
}

function readEncrypted(file: DerReader) {
  const { kdf, keySize, iv } = file.inside((algorithm) => {
    if (!equalBytes(algorithm.take(DER.oid), PBES2))
      return refuse("key-kind", "the key is encrypted in an old way: convert it (openssl pkcs8 -topk8 -v2 aes256)");
    return algorithm.inside((parameters) => {
      const { kdf, demanded } = parameters.inside(readKdf);
      const { keySize, iv } = parameters.inside((cipher) => {
        const id = cipher.take(DER.oid);
        const aes = AES.find((candidate) => equalBytes(candidate.id, id));
        if (!aes)
          return refuse("key-kind", "the key is encrypted by another cipher than AES-128 or AES-256 in CBC mode");
        return { keySize: aes.keySize, iv: cipher.take(DER.bytes) };
      });
      if (iv.length !== IV_SIZE || (demanded !== undefined && demanded !== keySize))
        return refuse("key-form", "the encrypted key contradicts itself");
      return { kdf, keySize, iv };
    });
  });
  return { kdf, keySize, iv, sealed: file.take(DER.bytes) };
}

/** `demanded` is the length of the key, where the file repeats it. */
function readKdf(values: DerReader): { readonly kdf: Kdf; readonly demanded: number | undefined } {
  const id = values.take(DER.oid);
  const known = equalBytes(id, PBKDF2) ? "pbkdf2" : equalBytes(id, SCRYPT) ? "scrypt" : undefined;
  if (!known) return refuse("key-kind", "the key's password goes through neither PBKDF2 nor scrypt");
  return values.inside((parameters) => {
    const salt = parameters.take(DER.bytes);
    const cost = parameters.integer();
    const r = known === "scrypt" ? parameters.integer() : 0;
    const p = known === "scrypt" ? parameters.integer() : 0;
    const demanded = parameters.has(DER.integer) ? parameters.integer() : undefined;
    if (salt.length > MOST_SALT) refuse("key-form", "the encrypted key has a salt of no sensible length");
    if (known === "pbkdf2") {
      const prf = parameters.has(DER.sequence) ? parameters.inside(readPrf) : HMAC_SHA1;
      if (cost < 1 || cost > MOST_ROUNDS) return refuseCost();
      return { kdf: { kind: known, salt, rounds: cost, prf }, demanded };
    }
    const power = Number.isInteger(Math.log2(cost)) && cost > 1;
    if (!power || r < 1 || p < 1 || p > MOST_PASSES || 128 * r * (cost + p) > MOST_SCRYPT_BYTES + 2 ** 20)
      return refuseCost();
    return { kdf: { kind: known, salt, N: cost, r, p }, demanded };
  });
}

function readPrf(values: DerReader): Prf {
  const id = values.take(DER.oid);
  if (values.take(DER.nothing).length > 0) refuse("key-form", "the encrypted key contradicts itself");
  return (
    PRFS.find((candidate) => equalBytes(candidate.id, id)) ??
    refuse(
      "key-kind",
      "the key's password goes through PBKDF2 with another hash than SHA-1, SHA-256, SHA-384 or SHA-512",
    )
  );
}

function refuseCost(): never {
  return refuse("key-form", "the key file asks for more work or memory than a key is worth");
}

async function derive(kdf: Kdf, size: number, password: string): Promise<Uint8Array<ArrayBuffer>> {
  if (kdf.kind === "scrypt") return deriveByScrypt(password, kdf.salt, kdf, size).slice();
  const given = await subtle().importKey("raw", new TextEncoder().encode(password), "PBKDF2", false, ["deriveBits"]);
  const { salt, rounds: iterations, prf } = kdf;
  const bits = await subtle().deriveBits({ name: "PBKDF2", hash: prf.hash, salt, iterations }, given, 8 * size);
  return new Uint8Array(bits);
}

function aesKey(bytes: Uint8Array<ArrayBuffer>, use: "encrypt" | "decrypt"): Promise<CryptoKey> {
  return subtle().importKey("raw", bytes, "AES-CBC", false, [use]);
}

function subtle(): SubtleCrypto {
  const { subtle }: { readonly subtle?: SubtleCrypto } = globalThis.crypto ?? {};
  return subtle ?? refuse("key-kind", "this host has no WebCrypto to open an encrypted key with (a page needs https)");
}
