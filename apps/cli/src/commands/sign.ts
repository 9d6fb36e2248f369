import { toHex } from "@s7l/format";
import { writeFileWhole } from "@s7l/format/file";
import { verify } from "@s7l/verify";
import { rootStatement } from "@s7l/verify/signature";
import { sign as signArtifact } from "@s7l/verify/signing";
import { CliError, refuseUsage } from "../errors.ts";
import { assertOutputs } from "../outputs.ts";
import { PASSWORD_FLAG } from "../password.ts";
import { brokenRule } from "../sealing.ts";
import { artifactName, ROOT_ENDING, signaturePlace } from "../signature-file.ts";
import { readSigningKey } from "../signing-key.ts";
import { isAddress, nameOf, withSource } from "../source.ts";
import { defineVerb } from "../verb.ts";

export const sign = defineVerb({
  summary: "a signature of an artifact's root: a model signing bundle (P-256 key) or minisign (Ed25519 key)",
  examples: ["s7l sign model.s7l --key release.key", "s7l sign model.s7l --key minisign.key --comment 'release 1'"],
  positionals: { file: { description: "the artifact; it is verified first" } },
  flags: {
    key: { type: "text", hint: "KEY", required: true, description: "private key: PEM, or minisign's own file" },
    "password-file": PASSWORD_FLAG,
    comment: { type: "text", description: "one line that a minisign signature vouches for" },
    out: { type: "text", hint: "FILE", short: "o", description: "default: the artifact's name and .sig or .minisig" },
  },
  async run({ args: { file, key: keyFile, comment, out, "password-file": passwordFile }, report, progress, signal }) {
    if (isAddress(file) && out === undefined)
      refuseUsage("the artifact is on a server: say by --out FILE where its signature goes");
    const key = await readSigningKey(keyFile, passwordFile);
    // Asked here too: signing would refuse it as well, but after the artifact was verified.
    if (comment !== undefined && key.kind === "p256")
      refuseUsage(
        "--comment goes with a minisign key, which s7l keygen --kind minisign makes: a bundle has no place for a comment",
      );
    const place = out ?? signaturePlace(file, key);
    // What a stock minisign needs beside the signature: the message.
    const statement = key.kind === "ed25519" ? `${isAddress(file) ? place : file}${ROOT_ENDING}` : undefined;
    await assertOutputs([place, statement], [file, keyFile, passwordFile]);
    const { sealed, signature } = await withSource(file, signal, async (source) => {
      const verification = await verify(source, {
        onProgress: ({ chunks, total }) => progress.show("verify", chunks, total, "chunks"),
        signal,
      });
      if (!verification.artifact)
        throw new CliError("refused", `${nameOf(file)} does not verify: ${brokenRule(verification)}`);
      const { artifact } = verification;
      const sealed = { root: artifact.root, size: artifact.size };
      const digest = (): Promise<Uint8Array> => artifact.digest({ signal });
      const options = comment === undefined ? { key } : { key, comment };
      return { sealed, signature: await signArtifact({ ...sealed, name: artifactName(file), digest }, options) };
    });
    progress.clear();
    await writeFileWhole(place, signature);
    if (statement !== undefined) await writeFileWhole(statement, rootStatement(sealed));
    report.finish({
      json: { root: toHex(sealed.root), size: sealed.size, signature: place, ...(statement ? { statement } : {}) },
      brief: place,
      lines: [
        `signed ${report.ink.bold(toHex(sealed.root))}`,
        `in ${place}${statement ? ` (its message is ${statement})` : ""}`,
      ],
    });
    return 0;
  },
});
