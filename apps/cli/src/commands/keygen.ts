import { open, rm } from "node:fs/promises";
import { writeFailure } from "@s7l/format/file";
import { keyHint, publicKeyPem } from "@s7l/verify/signature";
import {
  encryptedKeyPem,
  generateKey,
  type PrivateKey,
  privateKeyPem,
  writeMinisignPublic,
  writeMinisignSecret,
} from "@s7l/verify/signing";
import { CliError } from "../errors.ts";
import { PASSWORD_FLAG, readPassword } from "../password.ts";
import { defineVerb } from "../verb.ts";

export const keygen = defineVerb({
  summary: "a new pair of keys for sign and verify --key",
  examples: ["s7l keygen --out release --password-file secret.txt", "s7l keygen --out release --kind minisign"],
  positionals: {},
  flags: {
    out: { type: "text", hint: "NAME", short: "o", required: true, description: "writes NAME.key and NAME.pub" },
    kind: {
      type: "text",
      options: ["p256", "minisign"],
      description: "p256 (default): PEM, for model signing bundles; minisign: Ed25519 in minisign's files",
    },
    "password-file": PASSWORD_FLAG,
  },
  async run({ args: { out, kind, "password-file": passwordFile }, report }) {
    const password = await readPassword(passwordFile);
    const key = generateKey(kind === "minisign" ? "ed25519" : "p256");
    const { secret, open: shown } = await filesOf(key, password);
    await writeNew([
      { path: `${out}.pub`, text: shown, mode: 0o644 },
      { path: `${out}.key`, text: secret, mode: 0o600 },
    ]);
    report.finish({
      json: { key: `${out}.key`, public: `${out}.pub`, kind: key.kind, hint: keyHint(key.public) },
      brief: `${out}.pub`,
      lines: [
        `${out}.key  signs: keep it secret`,
        `${out}.pub  verifies: hand it out by another way than the artifacts`,
      ],
    });
    return 0;
  },
});

/** Encrypted where there is a password. */
async function filesOf(
  key: PrivateKey,
  password: string | undefined,
): Promise<{ readonly secret: string; readonly open: string }> {
  if (key.kind === "p256") {
    const secret = password === undefined ? privateKeyPem(key) : await encryptedKeyPem(key, password);
    return { secret, open: publicKeyPem(key.public) };
  }
  return {
    secret: writeMinisignSecret({ seed: key.secret, id: key.public.id }, password),
    open: writeMinisignPublic(key.public),
  };
}

interface NewFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** All of them or none, and never over a file that is there: a lost key is lost for good. */
async function writeNew(files: readonly NewFile[]): Promise<void> {
  const made: string[] = [];
  for (const { path, text, mode } of files) {
    try {
      const handle = await open(path, "wx", mode);
      made.push(path);
      try {
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (cause) {
      for (const ours of made) await rm(ours, { force: true });
      const exists = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
      if (!exists) throw writeFailure(cause, path);
      throw new CliError("io", `${path} is there already: give the keys another name`, path, { cause });
    }
  }
}
