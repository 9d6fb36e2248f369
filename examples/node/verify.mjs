// node verify.mjs model.s7l [root]
import { openFileSource } from "@s7l/format/file";
import { verify } from "@s7l/verify";

const [file, expectedRoot] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: node verify.mjs FILE [ROOT]");

const source = await openFileSource(file);
try {
  const { ok, rules, root, integrity, authenticity } = await verify(source, expectedRoot ? { expectedRoot } : {});
  for (const rule of rules) console.log(rule.id, rule.ok ? "holds" : `${rule.code}: ${rule.message}`);
  console.log({ ok, root, integrity, authenticity });
  process.exitCode = ok ? 0 : 1;
} finally {
  await source.close();
}
