/**
 * What an embedder does with the verifier, by nothing but the web's own interfaces: bundled as it is and run in each host. It
 * reports to the server that it came from.
 */
import {
  type ChunkCache,
  checkProof,
  isVerifiedArtifact,
  memoryCache,
  openHttpSource,
  openOpfsCache,
  openVerified,
  prove,
  verify,
} from "@s7l/verify";
import { readPublicKey, signedBy } from "@s7l/verify/signature";

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
  readonly proof: string;
  readonly broken: string;
  readonly otherRoot: string;
  readonly unsigned: string;
}

export const EXPECTED: Findings = {
  whole: "ok whole signed",
  expert: "ok partial pinned",
  lazily: "genuine 2 chunks",
  again: "the same bytes, 0 chunks fetched",
  proof: "holds",
  broken: "V3 chunk",
  otherRoot: "V7 root-unexpected",
  unsigned: "refused signature-missing",
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
  const proof = await prove(opened, { tensor: NAME, chunk: 1 });
  checkProof(expectedRoot, proof, span.subarray(65_536));

  const broken = await verify(await openHttpSource(`${base}/broken.s7l`));
  const otherRoot = await verify(await openHttpSource(address), { expectedRoot: "0".repeat(64) });
  const unsigned = await verify(await openHttpSource(address), { expectedRoot, requireSignature: true });
  return {
    whole: `${whole.ok ? "ok" : "refused"} ${whole.integrity} ${whole.authenticity}`,
    expert: `${expert.ok ? "ok" : "refused"} ${expert.integrity} ${expert.authenticity}`,
    lazily: `${isVerifiedArtifact(opened) ? "genuine" : "forged"} ${opened.coverage().chunks} chunks`,
    again: `${same ? "the same" : "other"} bytes, ${fetched} chunks fetched`,
    proof: "holds",
    broken: brokenRule(broken),
    otherRoot: brokenRule(otherRoot),
    unsigned: `${unsigned.authenticity} ${unsigned.signature?.ok === false ? unsigned.signature.code : "?"}`,
  };
}

/** The browser's own file system where there is one. */
function cacheOfHost(): Promise<ChunkCache> | ChunkCache {
  const host: { readonly navigator?: { readonly storage?: { readonly getDirectory?: unknown } } } = globalThis;
  return host.navigator?.storage?.getDirectory ? openOpfsCache() : memoryCache(1 << 22);
}

function brokenRule({ rules }: Awaited<ReturnType<typeof verify>>): string {
  const broken = rules.find((rule) => !rule.ok && rule.code !== "not-reached");
  return broken && !broken.ok ? `${broken.id} ${broken.code}` : "none";
}

/** Runs and reports, whatever happens. */
export async function report(base: string): Promise<void> {
  const findings = await selfCheck(base).catch((error: unknown) => ({ error: String(error) }));
  await fetch(`${base}/result`, { method: "POST", body: JSON.stringify(findings) });
}
