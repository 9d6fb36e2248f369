/** The feed-forward network of a layer as a step of a program. */
import type { ExpertFfn, ExpertsFfn, Ffn, Router } from "@s7l/format";
import { f32Parts } from "../reference/f32.ts";
import type { Scope } from "../reference/scope.ts";
import { fixedQ30 } from "../reference/weights.ts";
import * as ACTIVATION from "./layout/activation.ts";
import * as FFN from "./layout/ffn.ts";
import * as ROUTER from "./layout/router.ts";
import type { FfnStep, LayerFfnStep } from "./program.ts";
import type { Records } from "./records.ts";

/** By the fold's names: the linter lets nobody index a module. */
const ACTIVATIONS: typeof ACTIVATION = ACTIVATION;

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
    record: records.record(FFN, {
      activation: ACTIVATIONS[ffn.kind === "clamped" ? "clamped" : ffn.activation],
      alphaSignificand: alpha.significand,
      alphaExponent: alpha.exponent,
      limitSignificand: limit.significand,
      limitExponent: limit.exponent,
      width: ffn.width,
    }),
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
  return records.record(ROUTER, {
    count,
    used,
    sigmoid: router.score === "sigmoid" ? 1 : 0,
    bias: router.selectionBias === undefined ? 0 : selectionBias(records, router.selectionBias, scope),
    normalised: router.weights === "normalised" ? 1 : 0,
    groups: groups?.count ?? 0,
    groupsUsed: groups?.used ?? 0,
    groupTop: groups?.top ?? 0,
    scaleSignificand: scale.significand,
    scaleExponent: scale.exponent,
  });
}

/** Q30 in 64 bits. */
function selectionBias(records: Records, name: string, scope: Scope): number {
  return records.words(
    records.bits(name, scope).flatMap((bits) => {
      const value = BigInt(fixedQ30(bits));
      return [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
    }),
  );
}
