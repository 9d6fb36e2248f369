/**
 * A CycloneDX 1.6 bill of materials for a model (ML-BOM): what it is, what it was made of, by which hashes. Made from the verified
 * front alone, and the same bytes each time: no time stamp, and a serial number that follows from the root.
 */
import { toHex } from "@s7l/format";
import type { VerifiedArtifact } from "@s7l/verify";

/** Who wrote it. */
export interface BomTool {
  readonly version: string;
}

/** The bill as an object to be written as JSON. `digest` is SHA-256 of the whole file. */
export function billOf(artifact: VerifiedArtifact, digest: Uint8Array, { version }: BomTool): object {
  const { meta, policy, fold, abi, components, plan } = artifact;
  const root = toHex(artifact.root);
  const ref = `s7l:${root}`;
  const property = (name: string, value: string | number) => ({ name: `s7l:${name}`, value: String(value) });
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(artifact.root)}`,
    version: 1,
    metadata: {
      tools: { components: [{ type: "application", name: "s7l", version }] },
      component: {
        type: "machine-learning-model",
        "bom-ref": ref,
        name: meta.name,
        ...(meta.creator === undefined ? {} : { authors: [{ name: meta.creator }] }),
        hashes: [{ alg: "SHA-256", content: toHex(digest) }],
        ...(policy.licence === undefined ? {} : { licenses: [{ license: { name: policy.licence } }] }),
        modelCard: {
          modelParameters: {
            task: "text-generation",
            architectureFamily: "transformer",
            ...(meta.createdFrom === undefined ? {} : { modelArchitecture: meta.createdFrom }),
            inputs: [{ format: "token ids" }],
            outputs: [{ format: "integer logits" }],
          },
          ...(policy.intendedUse === undefined ? {} : { considerations: { useCases: [policy.intendedUse] } }),
        },
        properties: [
          property("root", root),
          property("size", artifact.size),
          property("fold", fold.fold),
          property("numerics", `${abi.name} ${abi.version}`),
          property("vocabulary", fold.vocab),
          property("context", policy.maxContext),
          property("tensors", plan.length),
        ],
      },
    },
    components: components.map(({ name, tensors, size, root: own }) => ({
      type: "data",
      "bom-ref": `${ref}/${name}`,
      name,
      data: [{ type: "dataset", name: `${name} weights`, classification: "public" }],
      properties: [
        property("component-root", toHex(own)),
        property("tensors", tensors),
        property("size", size),
        ...methodsOf(artifact, name).map((method) => property("method", method)),
      ],
    })),
    dependencies: [{ ref, dependsOn: components.map(({ name }) => `${ref}/${name}`) }],
  };
}

/** The ways in which a component's tensors came about, each once. */
function methodsOf(artifact: VerifiedArtifact, component: string): readonly string[] {
  const own = artifact.plan.filter((tensor) => tensor.component === component);
  return [...new Set(own.map(({ name }) => artifact.provenance(name).method))].sort();
}

/** A UUID of version 8 (RFC 9562 §5.8), whose bits are the root's first. */
function uuidOf(root: Uint8Array): string {
  const bytes = root.slice(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
