import type { TinyKind } from "@s7l/fixtures";
import { type ByteSource, HEADER_SIZE, memorySource } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { sealTiny } from "../test/seal-tiny.ts";
import type { VerifiedArtifact } from "./artifact.ts";
import { readEnvelope } from "./envelope.ts";
import type { RuleId } from "./errors.ts";
import { Ledger } from "./ledger.ts";
import { openVerified, verify } from "./verify.ts";

describe("a source that keeps the memory it gave, and writes to it at its next read,", () => {
  /** Both texts are as long, so that the other section is as legal as the sealed one. */
  function rewriting(file: Uint8Array, sealed: string, other: string): ByteSource & { readonly writes: () => number } {
    const given: Buffer[] = [];
    let writes = 0;
    return {
      size: file.length,
      read: async (offset, length) => {
        for (const bytes of given) {
          const at = bytes.indexOf(sealed);
          if (at >= 0) writes += Math.sign(bytes.write(other, at));
        }
        const bytes = Buffer.from(file.slice(offset, offset + length).buffer);
        given.push(bytes);
        return bytes;
      },
      writes: () => writes,
    };
  }

  const sections: readonly {
    readonly section: string;
    readonly kind: TinyKind;
    readonly sealed: string;
    readonly other: string;
    readonly part: (artifact: VerifiedArtifact) => unknown;
  }[] = [
    { section: "VOCAB", kind: "dense", sealed: '"!":2', other: '"~":2', part: ({ vocabulary }) => vocabulary },
    { section: "ROUTE", kind: "routed", sealed: "because", other: "whereas", part: ({ lexical }) => lexical },
    { section: "FOLD", kind: "dense", sealed: "silu", other: "relu", part: ({ fold }) => fold },
  ];

  test.each(sections)("cannot change $section after it was hashed", async ({ kind, sealed, other, part }) => {
    const file = await sealTiny(kind);
    const expected = part(await openVerified(memorySource(file)));
    for (const open of [openVerified, async (source: ByteSource) => (await verify(source)).artifact]) {
      const source = rewriting(file, sealed, other);
      const artifact = await open(source);
      expect(source.writes()).toBe(1);
      expect(artifact && part(artifact)).toEqual(expected);
    }
  });
});

describe("another thread that writes, between two steps, to the memory that was read", () => {
  /** A ledger that says when a step has ended. */
  class Stepwise extends Ledger {
    readonly #onStep: () => void;

    constructor(onStep: () => void) {
      super();
      this.#onStep = onStep;
    }

    override check<T>(rule: RuleId, step: () => T): T {
      const result = super.check(rule, step);
      this.#onStep();
      return result;
    }
  }

  /** The envelope of a file that is `first` when the bytes at `offset` are read, and `then` after the next step. */
  function read(first: Uint8Array, then: Uint8Array, offset: number) {
    let rewrite = (): void => {};
    const source: ByteSource = {
      size: first.length,
      read: async (from, length) => {
        const bytes = new Uint8Array(new SharedArrayBuffer(length));
        bytes.set(first.subarray(from, from + length));
        if (from === offset) rewrite = () => bytes.set(then.subarray(from, from + length));
        return bytes;
      },
    };
    return readEnvelope(source, undefined, new Stepwise(() => rewrite()));
  }

  /** The file with a bit of a byte flipped. */
  function flipped(file: Uint8Array, at: number): Uint8Array {
    const other = file.slice();
    other[at] = (other[at] ?? 0) ^ 1;
    return other;
  }

  test("cannot lend a forged header the root of the sealed one", async () => {
    const file = await sealTiny("dense");
    const dataRoot = 80;
    await expect(read(flipped(file, dataRoot), file, 0)).rejects.toMatchObject({ rule: "V6", code: "root" });
  });

  test("cannot change the table after it was hashed", async () => {
    const file = await sealTiny("dense");
    const { table } = await readEnvelope(memorySource(file), undefined, new Ledger());
    // The digest of the last section, DATA: nothing in the envelope is held to it.
    const digest = HEADER_SIZE + 64 * table.size - 1;
    expect((await read(file, flipped(file, digest), HEADER_SIZE)).table).toEqual(table);
  });
});
