import { sha256 } from "@s7l/format";
import { describe, expect, test } from "vitest";
import { generateKey } from "../signing/private-key.ts";
import { sign, signFile } from "../signing/sign.ts";
import { rootStatement } from "./root-statement.ts";
import { signedBy } from "./signed-by.ts";
import { checkSignedFile } from "./signed-file.ts";

const bytes = new TextEncoder().encode('{"ids":[1,2,3]}');
const other = new TextEncoder().encode('{"ids":[1,2,4]}');
const name = "receipt.json";
const refused = (code: string) => expect.objectContaining({ name: "SignatureError", code });

describe.each(["p256", "ed25519"] as const)("a file signed by a key of %s", (kind) => {
  const key = generateKey(kind);
  const signature = signFile({ name, bytes }, { key });
  const wrong = kind === "p256" ? "signature-subject" : "signature-wrong";

  test("holds, whatever the file is called by now", async () => {
    expect(await checkSignedFile({ signature, key: key.public, name }, bytes)).toMatchObject({
      kind: kind === "p256" ? "oms" : "minisign",
    });
    expect(await checkSignedFile({ signature, key: key.public }, bytes)).toBeDefined();
  });

  test("is not another file", async () => {
    await expect(checkSignedFile({ signature, key: key.public, name }, other)).rejects.toThrow(refused(wrong));
  });

  test("is not signed by another key", async () => {
    const stranger = generateKey(kind).public;
    await expect(checkSignedFile({ signature, key: stranger, name }, bytes)).rejects.toThrow(refused("key-other"));
  });

  test("is not vouched for by a key of the other kind", async () => {
    const stranger = generateKey(kind === "p256" ? "ed25519" : "p256").public;
    await expect(checkSignedFile({ signature, key: stranger, name }, bytes)).rejects.toThrow(refused("key-kind"));
  });

  test("is refused with the signature changed at any tenth byte", async () => {
    for (let i = 0; i < signature.length; i += 10) {
      const changed = signature.slice();
      changed[i] = (changed[i] ?? 0) ^ 1;
      // Minisign's first line is for people, and nobody signs it.
      if (kind === "ed25519" && i < signature.indexOf(10) && i >= 19) continue;
      await expect(checkSignedFile({ signature: changed, key: key.public, name }, bytes), `byte ${i}`).rejects.toThrow(
        expect.objectContaining({ name: "SignatureError" }),
      );
    }
  });

  test("is no artifact, and an artifact is no file", async () => {
    const sealed = { root: new Uint8Array(32).fill(7), size: bytes.length };
    const digest = async (): Promise<Uint8Array> => new Uint8Array(32);
    const ofArtifact = await sign({ ...sealed, name, digest }, { key });
    await expect(signedBy({ signature, key: key.public, name })({ ...sealed, digest })).rejects.toThrow(refused(wrong));
    await expect(checkSignedFile({ signature: ofArtifact, key: key.public, name }, bytes)).rejects.toThrow(
      refused(wrong),
    );
  });
});

test("a bundle that names a root is of an artifact, even over the digest of a file", async () => {
  const key = generateKey("p256");
  const sealed = { root: new Uint8Array(32).fill(7), size: bytes.length, name };
  const signature = await sign({ ...sealed, digest: async () => sha256(bytes) }, { key });
  await expect(checkSignedFile({ signature, key: key.public, name }, bytes)).rejects.toThrow(
    refused("signature-subject"),
  );
});

test("minisign signs a root statement as the file that it is", async () => {
  const key = generateKey("ed25519");
  const sealed = { root: new Uint8Array(32).fill(7), size: 9 };
  const statement = rootStatement(sealed);
  const signature = await sign({ ...sealed, name, digest: async () => new Uint8Array(32) }, { key });
  expect(await checkSignedFile({ signature, key: key.public }, statement)).toMatchObject({ kind: "minisign" });
});
