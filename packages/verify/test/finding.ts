/** Rules by themselves: what one finds, and an artifact opened as far as they take it. */
import { FormatError, memorySource, type Value } from "@s7l/format";
import { type Envelope, readEnvelope, type SmallSection } from "../src/envelope.ts";
import { Finding } from "../src/errors.ts";
import { Ledger } from "../src/ledger.ts";
import { canonicalMetadata } from "../src/rules/v0-canonical-order.ts";

/** The code and place of what a rule finds, or `nothing`. */
export function findingOf(check: () => unknown): string {
  try {
    check();
    return "nothing";
  } catch (error) {
    if (error instanceof Finding || error instanceof FormatError) return `${error.code} ${error.at}`;
    throw error;
  }
}

/** An artifact's envelope, and the values in it. */
export async function opened(
  artifact: Uint8Array,
): Promise<{ readonly envelope: Envelope; readonly values: ReadonlyMap<SmallSection, Value> }> {
  const envelope = await readEnvelope(memorySource(artifact), undefined, new Ledger());
  return { envelope, values: canonicalMetadata(envelope) };
}
