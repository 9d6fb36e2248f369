/** The feed-forward network of a layer as a step of a program. */
import type { ExpertFfn, ExpertsFfn, Ffn, Router } from "@s7l/format";
import { f32Parts } from "../reference/f32.ts";
import type { Scope } from "../reference/scope.ts";
import { fixedQ30 } from "../reference/weights.ts";
import type { FfnStep, LayerFfnStep } from "./program.ts";
import type { Records } from "./records.ts";

/** The feed-forward network of one layer, whose residual stream has `width` elements. */
export function ffnStep(records: Records, ffn: Ffn, width: number, scope: Scope): LayerFfnStep {
  return ffn.kind === "experts"
    ? expertsStep(records, ffn, width, scope)
    : { kind: "dense", ffn: expertStep(records, ffn, scope) };
}

function expertStep(records: Records, ffn: ExpertFfn, scope: Scope): FfnStep {
  const clamped = ffn.kind === "clamped" ? ffn : undefined;
  const alpha = f32Parts(clamped?.alpha ?? 0);
  const limit = f32Parts(clamped?.limit ?? 0);
  records.grow("hidden", ffn.width);
  return {
    record: records.write([
      activationCode(ffn),
      ffn.kind === "plain" ? 0 : 1,
      alpha.significand,
      alpha.exponent,
      limit.significand,
      limit.exponent,
      ffn.width,
    ]),
    inner: records.map(ffn.kind === "plain" ? ffn.fc1 : ffn.gate, scope),
    up: ffn.kind === "plain" ? undefined : records.map(ffn.up, scope),
    outer: records.map(ffn.kind === "plain" ? ffn.fc2 : ffn.down, scope),
  };
}

function expertsStep(records: Records, ffn: ExpertsFfn, width: number, scope: Scope): LayerFfnStep {
  const { shared } = ffn;
  records.grow("experts", ffn.count);
  records.grow("used", ffn.used);
  records.grow("residual", width);
  return {
    kind: "experts",
    count: ffn.count,
    used: ffn.used,
    router: routerRecord(records, ffn.router, ffn, scope),
    logits: records.map(ffn.router.linear, scope),
    experts: Array.from({ length: ffn.count }, (_, expert) => expertStep(records, ffn.expert, { ...scope, expert })),
    shared: shared && {
      ffn: expertStep(records, shared.ffn, scope),
      gate: shared.gate && records.map(shared.gate, scope),
    },
  };
}

function routerRecord(records: Records, router: Router, { count, used }: ExpertsFfn, scope: Scope): number {
  const scale = f32Parts(router.scale);
  const { groups } = router;
  return records.write([
    count,
    used,
    router.score === "sigmoid" ? 1 : 0,
    router.selectionBias === undefined ? 0 : selectionBias(records, router.selectionBias, scope),
    router.weights === "normalised" ? 1 : 0,
    groups?.count ?? 0,
    groups?.used ?? 0,
    groups?.top ?? 0,
    scale.significand,
    scale.exponent,
  ]);
}

/** Q30 in 64 bits. */
function selectionBias(records: Records, name: string, scope: Scope): number {
  return records.write(
    records.bits(name, scope).flatMap((bits) => {
      const value = BigInt(fixedQ30(bits));
      return [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
    }),
  );
}

/** The codes of assembly/ffn.ts. */
function activationCode(ffn: ExpertFfn): number {
  if (ffn.kind === "clamped") return 5;
  return { silu: 0, geluTanh: 1, geluErf: 2, relu: 3, relu2: 4 }[ffn.activation];
}
