/**
 * What an embedder does with the verifier, by nothing but the web's own interfaces: bundled as it is and run in each host. It
 * reports to the server that it came from.
 */
import { blobSource } from "@s7l/format";
import {
  type ChunkCache,
  isVerifiedArtifact,
  memoryCache,
  openHttpSource,
  openOpfsCache,
  openVerified,
  verify,
} from "@s7l/verify";
import { checkProof, prove } from "@s7l/verify/proof";
import { publicKeyPem, readPublicKey, SignatureError, signedBy } from "@s7l/verify/signature";
import { encryptedKeyPem, generateKey, readPrivateKey, sign } from "@s7l/verify/signing";
import { readOnThreads } from "@s7l/verify/threads";

/** What the server tells of the artifact at `model.s7l`. */
export interface Facts {
  readonly root: string;
  readonly key: string;
  readonly signature: string;
}

/** What each host has to say, word for word. */
export interface Findings {
  readonly whole: string;
  readonly expert: string;
  readonly lazily: string;
  readonly again: string;
  /** On several threads, into memory that is shared where this host shares any. */
  readonly together: string;
  readonly proof: string;
  readonly broken: string;
  readonly otherRoot: string;
  readonly unsigned: string;
  /** By keys that this host made, and wrote and read under a password. */
  readonly signed: string;
  readonly otherPassword: string;
}

export const EXPECTED: Findings = {
  whole: "ok whole signed",
  expert: "ok partial pinned",
  lazily: "genuine 2 chunks",
  again: "the same bytes, 0 chunks fetched",
  together: "the same bytes, genuine whole",
  proof: "holds",
  broken: "V3 chunk",
  otherRoot: "V7 root-unexpected",
  unsigned: "refused signature-missing",
  signed: "p256 signed, ed25519 signed, another's refused key-other",
  otherPassword: "key-password",
};

const NAME = "expert1.layer0.ffn.fc1.weight";

export async function selfCheck(base: string): Promise<Findings> {
  const address = `${base}/model.s7l`;
  const facts: Facts = await (await fetch(`${base}/facts.json`)).json();
  const expectedRoot = facts.root;
  const signature = signedBy({
    signature: new TextEncoder().encode(facts.signature),
    key: readPublicKey(facts.key),
  });
  const whole = await verify(await openHttpSource(address), { expectedRoot, signature });
  const expert = await verify(await openHttpSource(address), { expectedRoot, expert: 1 });

  const cache = await cacheOfHost();
  const opened = await openVerified(await openHttpSource(address), { expectedRoot, cache });
  const span = await opened.read(NAME);
  let fetched = 0;
  const counting = await openHttpSource(address);
  const second = await openVerified(
    {
      ...counting,
      readInto: (offset, target) => {
        fetched++;
        return counting.readInto(offset, target);
      },
    },
    { cache },
  );
  const same = (await second.read(NAME)).every((byte, i) => byte === span[i]);
  const file = new Blob([await (await fetch(address)).arrayBuffer()]);
  const together = await openVerified(blobSource(file), { expectedRoot });
  const shares = typeof SharedArrayBuffer === "function";
  const readings = together.plan.map(({ name }) => {
    const { length } = together.record(name);
    return { name, target: new Uint8Array(shares ? new SharedArrayBuffer(length) : new ArrayBuffer(length)) };
  });
  await readOnThreads(together, readings, { threads: 2 });
  const alike = readings.find(({ name }) => name === NAME)?.target.every((byte, i) => byte === span[i]);
  const { chunks, total } = together.coverage();
  const proof = await prove(opened, { tensor: NAME, chunk: 1 });
  checkProof(expectedRoot, proof, span.subarray(65_536));

  const broken = await verify(await openHttpSource(`${base}/broken.s7l`));
  const otherRoot = await verify(await openHttpSource(address), { expectedRoot: "0".repeat(64) });
  const unsigned = await verify(await openHttpSource(address), { expectedRoot, requireSignature: true });
  const { signed, otherPassword } = await signAndCheck(opened.size, opened.root, address);
  return {
    signed,
    otherPassword,
    whole: `${whole.ok ? "ok" : "refused"} ${whole.integrity} ${whole.authenticity}`,
    expert: `${expert.ok ? "ok" : "refused"} ${expert.integrity} ${expert.authenticity}`,
    lazily: `${isVerifiedArtifact(opened) ? "genuine" : "forged"} ${opened.coverage().chunks} chunks`,
    again: `${same ? "the same" : "other"} bytes, ${fetched} chunks fetched`,
    together: `${alike ? "the same" : "other"} bytes, ${isVerifiedArtifact(together) ? "genuine" : "forged"} ${chunks === total ? "whole" : "partial"}`,
    proof: "holds",
    broken: brokenRule(broken),
    otherRoot: brokenRule(otherRoot),
    unsigned: `${unsigned.authenticity} ${unsigned.signature?.ok === false ? unsigned.signature.code : "?"}`,
  };
}

const PASSWORD = "corrèct horse";

/** Signs with each kind of key, one of them after it has been through an encrypted file, and has its signature checked. */
async function signAndCheck(size: number, root: Uint8Array, address: string) {
  // The digest of the file is for the stock tool; what is checked here is the root in the signature.
  const artifact = { root, size, name: "model.s7l", digest: async () => new Uint8Array(32) };
  const verdictOn = async (signature: Uint8Array, pem: string) => {
    const checked = signedBy({ signature, key: readPublicKey(pem) });
    return verify(await openHttpSource(address), { signature: checked, expert: 1 });
  };
  const said: string[] = [];
  const locked = await encryptedKeyPem(generateKey("p256"), PASSWORD);
  for (const key of [await readPrivateKey(locked, PASSWORD), generateKey("ed25519")]) {
    const { authenticity } = await verdictOn(await sign(artifact, { key }), publicKeyPem(key.public));
    said.push(`${key.kind} ${authenticity}`);
  }
  const key = generateKey("p256");
  const other = await verdictOn(await sign(artifact, { key }), publicKeyPem(generateKey("p256").public));
  const code = other.signature?.ok === false ? other.signature.code : "?";
  said.push(`another's ${other.authenticity} ${code}`);
  const refusal: unknown = await readPrivateKey(locked, "other").catch((error) => error);
  const otherPassword = refusal instanceof SignatureError ? refusal.code : String(refusal);
  return { signed: said.join(", "), otherPassword };
}

/** The browser's own file system where there is one. */
function cacheOfHost(): Promise<ChunkCache> | ChunkCache {
  const host: { readonly navigator?: { readonly storage?: { readonly getDirectory?: unknown } } } = globalThis;
  return host.navigator?.storage?.getDirectory ? openOpfsCache() : memoryCache(1 << 22);
}

function brokenRule({ broken }: Awaited<ReturnType<typeof verify>>): string {
  return broken ? `${broken.id} ${broken.code}` : "none";
}

/** Runs and reports, whatever happens. */
export async function report(base: string): Promise<void> {
  const findings = await selfCheck(base).catch((error: unknown) => ({ error: String(error) }));
  await fetch(`${base}/result`, { method: "POST", body: JSON.stringify(findings) });
}
