/**
 * The front of an artifact, from its first byte to the last one before the tensors, held to every rule that needs no
 * tensor. Reads in order of dependence: nothing is decoded before its digest is proved.
 */
import type { ByteSource } from "@s7l/format";
import { makeArtifact, type VerifiedArtifact } from "./artifact.ts";
import type { ChunkCache } from "./cache/chunk-cache.ts";
import { bytesOf, type Envelope, entryOf, readEnvelope, type SmallSection } from "./envelope.ts";
import { refuse } from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import { ascendingNames, canonicalMetadata, canonicalPlaces } from "./rules/v0-canonical-order.ts";
import { legalProgram, plannedCounts, plannedTensors } from "./rules/v1-fold-legality.ts";
import { legalGate } from "./rules/v2-control-gate.ts";
import { provenTensors, recomputedComponents } from "./rules/v3-compute-mediation.ts";
import { displayOnly } from "./rules/v4-projection-read-only.ts";
import { legalGoldens } from "./rules/v6-replay.ts";
import { boundHashes, knownAbi } from "./rules/v7-hash-binding.ts";
import { guardSource } from "./source-guard.ts";

/** An artifact with its front verified, and the envelope that the checks of tensors go on from. */
export interface Front {
  readonly artifact: VerifiedArtifact;
  readonly envelope: Envelope;
  readonly source: ByteSource;
}

/** Verifies the front. V0, V3 and V6 are left open: they hold only when the tensors do. */
export async function verifyFront(
  given: ByteSource,
  { expectedRoot, cache }: { readonly expectedRoot?: Uint8Array | string; readonly cache?: ChunkCache },
  ledger: Ledger,
): Promise<Front> {
  const source = guardSource(given);
  const envelope = await readEnvelope(source, expectedRoot, ledger);
  const values = ledger.check("V0", () => canonicalMetadata(envelope));
  const value = (name: SmallSection) =>
    values.get(name) ?? refuse("section-missing", `section ${name} is missing`, name);

  const program = ledger.check("V1", () => legalProgram(envelope, values));
  ledger.check("V0", () => ascendingNames(program.tensors));
  ledger.check("V1", () => plannedTensors(program));
  ledger.check("V0", () => canonicalPlaces(program.tensors, program.layout));
  ledger.check("V1", () => plannedCounts(envelope, program));
  const gate = ledger.check("V2", () => legalGate(bytesOf(envelope, "STX")));
  const components = ledger.check("V3", () => recomputedComponents(envelope, value("COMP"), program));
  const provenance = ledger.check("V3", () => provenTensors(value("PROV"), program.layout));
  const meta = ledger.check("V4", () => displayOnly(value("META")));
  const golden = ledger.check("V6", () => legalGoldens(value("GOLDEN"), program));
  ledger.check("V7", () => boundHashes(envelope, gate));
  const abi = ledger.check("V7", () => knownAbi(value("ABI")));
  ledger.settle("V1", "V2", "V4", "V5", "V7");

  const { fold, lexical, vocabulary, policy, tensors, layout } = program;
  const artifact = makeArtifact({
    header: envelope.header,
    size: source.size,
    fold,
    lexical,
    vocabulary,
    meta,
    policy,
    golden,
    gate,
    abi,
    components,
    provenance,
    records: tensors,
    tensors: layout.tensors,
    leaves: layout.leaves,
    place: {
      source,
      treeOffset: entryOf(envelope, "TREE").offset,
      dataOffset: entryOf(envelope, "DATA").offset,
      chunkSize: 2 ** envelope.header.chunkLog2,
      cache,
    },
  });
  return { artifact, envelope, source };
}
