/** The attention of a layer as a step of a program. */
import type { Attention } from "@s7l/format";
import { log2Factor } from "../reference/attention.ts";
import type { Scope } from "../reference/scope.ts";
import { mixFactors } from "../reference/weights.ts";
import * as ATTENTION from "./layout/attention.ts";
import type { AttentionStep, ProjectionStep, TensorProductStep } from "./program.ts";
import type { Records } from "./records.ts";

const pad8 = (n: number): number => Math.ceil(n / 8) * 8;

/** The attention of one layer. */
export function attentionStep(records: Records, a: Attention, scope: Scope): AttentionStep {
  const { position, project: p } = a;
  const rope = position.kind === "rope" ? position : undefined;
  const rotation = rope && records.rotation(rope, scope);
  const scale = log2Factor(a.scale);
  const headNorms = p.kind === "mla" ? undefined : p;
  const record = records.record(ATTENTION, {
    heads: a.heads,
    kvHeads: a.kvHeads,
    keySize: a.keySize,
    valueSize: a.valueSize,
    scaleSignificand: scale.significand,
    scaleExponent: scale.exponent,
    window: Math.min(a.window ?? 0, 0x7fff_ffff),
    pairs: rotation?.pairs ?? 0,
    interleaved: rope?.pairs === "interleaved" ? 1 : 0,
    ropeOffset: rope?.offset ?? 0,
    slopes: position.kind === "alibi" ? records.constants(position.slopes, scope, 24) : 0,
    sinks: a.sinks === undefined ? 0 : records.constants(a.sinks, scope, 16),
    qNorm: records.norm(headNorms?.qNorm, scope)?.record ?? 0,
    kNorm: records.norm(headNorms?.kNorm, scope)?.record ?? 0,
    rotated: p.kind === "mla" ? p.rope : 0,
  });
  records.grow("queries", a.heads * a.keySize);
  records.grow("keys", a.kvHeads * a.keySize);
  records.grow("values", a.kvHeads * a.valueSize);
  records.grow("paddedQueries", a.heads * pad8(a.keySize));
  records.grow("paddedMixed", a.heads * pad8(a.valueSize));
  records.grow("mixed", a.heads * a.valueSize);
  records.grow("heads", a.heads);
  records.grow("headPad", Math.max(pad8(a.keySize), pad8(a.valueSize)));
  return {
    record,
    project: projectionStep(records, a, scope),
    o: records.map(p.o, scope),
    rotation,
    mix: a.valueResidual === undefined ? undefined : mixFactors(records.bits(a.valueResidual, scope)[0] ?? 0),
    values: a.kvHeads * a.valueSize,
    ...records.addCache(record),
  };
}

function projectionStep(
  records: Records,
  { project: p, heads, kvHeads, keySize, valueSize }: Attention,
  scope: Scope,
): ProjectionStep {
  switch (p.kind) {
    case "qkv":
      return { kind: "qkv", q: records.map(p.q, scope), k: records.map(p.k, scope), v: records.map(p.v, scope) };
    case "mla":
      records.grow("shared", p.rope);
      records.grow("latent", Math.max(p.kvRank, p.qDown?.rank ?? 0));
      return {
        kind: "mla",
        qDown: p.qDown && { map: records.map(p.qDown.linear, scope), norm: records.needNorm(p.qDown.norm, scope) },
        qUp: records.map(p.qUp, scope),
        kvDown: records.map(p.kvDown, scope),
        kvNorm: records.needNorm(p.kvNorm, scope),
        kRope: records.map(p.kRope, scope),
        kUp: records.map(p.kUp, scope),
        vUp: records.map(p.vUp, scope),
      };
    case "tpa": {
      const step = (
        a: string,
        b: string,
        heads: number,
        rank: number,
        size: number,
        bias: string | undefined,
      ): TensorProductStep => {
        records.grow("factors", Math.max(heads, size) * rank);
        return {
          a: records.map({ tensor: a }, scope),
          b: records.map({ tensor: b }, scope),
          heads,
          rank,
          size,
          bias: bias === undefined ? 0 : records.bias(bias, heads * size, scope),
        };
      };
      return {
        kind: "tpa",
        q: step(p.aq, p.bq, heads, p.qRank, keySize, p.qBias),
        k: step(p.ak, p.bk, kvHeads, p.rank, keySize, p.kBias),
        v: step(p.av, p.bv, kvHeads, p.rank, valueSize, p.vBias),
      };
    }
  }
}
