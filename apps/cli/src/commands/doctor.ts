import { describeHost } from "@s7l/runtime";
import { formatBytes, formatCount } from "../quantity.ts";
import { defineVerb } from "../verb.ts";

export const doctor = defineVerb({
  summary: "what this machine has, and which engine it would take",
  examples: ["s7l doctor", "s7l doctor --json"],
  positionals: {},
  flags: {},
  async run({ report }) {
    const host = await describeHost();
    const { simd, relaxed, sharedMemory, sha256, memory, auto } = host;
    const node = process.version;
    const { ink } = report;
    const yes = (has: boolean, no: string): string => (has ? ink.green("yes") : ink.yellow(no));
    report.finish({
      json: { node, platform: process.platform, arch: process.arch, ...host },
      brief: auto.engine,
      lines: [
        `Node          ${node}, ${process.platform} ${process.arch}`,
        `cores         ${formatCount(host.cores)}`,
        `interpreter   ${ink.green("yes")} ${ink.dim("(everywhere; the definition that the others equal)")}`,
        `simd          ${yes(simd, "no: this host has no WebAssembly SIMD128")}`,
        `wide vectors  ${yes(host.wide, "no: that takes Node 24 on x64")}${host.wide ? ink.dim(" (256 bits, if the processor has AVX2; for run, bench, eval and replay without --engine simd)") : ""}`,
        `relaxed       ${relaxedLine(relaxed, yes)}`,
        `threads       ${yes(sharedMemory, "no: this host shares no memory between threads, so engines have one")}`,
        `SHA-256       ${sha256.source}, ${formatBytes(sha256.speed)}/s`,
        `memory        ${formatBytes(memory)} for an engine's weights, arena and caches`,
        "",
        `auto takes ${ink.bold(auto.engine)}, ${auto.threads === 1 ? "one thread" : `${auto.threads} threads`}${auto.threads === 1 ? "" : `, and one for weights up to ${formatBytes(auto.aloneBelow)}`}; no choice changes a bit.`,
      ],
    });
    return 0;
  },
});

function relaxedLine(
  { present, exact, faster }: { readonly present: boolean; readonly exact: boolean; readonly faster: boolean },
  yes: (has: boolean, no: string) => string,
): string {
  if (!present) return yes(false, "no: this host has no relaxed SIMD");
  if (!exact) return yes(false, "no: its relaxed dot product is not exact here, so it is never used");
  return yes(faster, "exact, but slower here than simd, so not taken by itself");
}
