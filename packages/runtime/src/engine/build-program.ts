/** Builds a program of a fold whose tensors lie in WebAssembly memory. The mirror of ../reference/weights.ts. */
import type { Fold, Layer, Stack, Stage } from "@s7l/format";
import { layersOf, type Scope } from "../reference/scope.ts";
import { attentionStep } from "./attention-step.ts";
import { ffnStep } from "./ffn-step.ts";
import type { Heap } from "./heap.ts";
import type { Kernels } from "./kernels.ts";
import type { LayerStep, MapStep, Program, StackStep, StageStep } from "./program.ts";
import { Records } from "./records.ts";
import type { PlacedTensor } from "./tensors.ts";

/** Writes every record of a fold into the heap; `rowSums`: with the row sums that relaxed kernels need. */
export function buildProgram(
  heap: Heap,
  kernels: Kernels,
  fold: Fold,
  tensors: ReadonlyMap<string, PlacedTensor>,
  rowSums: boolean,
): Program {
  return new ProgramBuilder(heap, kernels, tensors, rowSums).program(fold);
}

/** A part of a program: what is not built of it is never walked. */
const NOTHING: MapStep = { record: 0, rows: 0, columns: 0, biased: false };

/** A program, or parts of one that are walked one after another over the same memory. */
export class ProgramBuilder {
  readonly #records: Records;
  readonly #stacks: StackStep[] = [];

  constructor(heap: Heap, kernels: Kernels, tensors: ReadonlyMap<string, PlacedTensor>, rowSums: boolean) {
    this.#records = new Records(heap, kernels, tensors, rowSums);
  }

  /** The whole fold; all of its tensors must be placed. */
  program(fold: Fold): Program {
    const embedding = this.#records.map({ tensor: fold.embedding }, {});
    this.#records.grow("residual", fold.width);
    let { width } = fold;
    const stages = fold.stages.map((stage) => {
      const step = this.#stage(stage, width);
      width =
        stage.kind === "project" ? stage.width : stage.kind === "routed" ? (stage.project?.width ?? width) : width;
      this.#records.grow("residual", width);
      return step;
    });
    const head = fold.head.kind === "tied" ? embedding : this.#records.map(fold.head.linear, {});
    return this.#part({ embedding, stages, headNorm: this.#records.norm(fold.head.norm, {}), head });
  }

  /** The embedding alone. */
  embedding({ embedding }: Fold): Program {
    return this.#part({ embedding: this.#records.map({ tensor: embedding }, {}) });
  }

  /** One layer of a stack alone. */
  layerAlone(stack: Stack, width: number, layer: number): Program {
    return this.#part({ stages: [{ kind: "layers", stack: this.#stack(stack, width, {}, layer) }] });
  }

  /** One stage alone. */
  stageAlone(stage: Stage, width: number): Program {
    return this.#part({ stages: [this.#stage(stage, width)] });
  }

  /** The head alone. */
  head({ head, embedding }: Fold): Program {
    const map =
      head.kind === "tied" ? this.#records.map({ tensor: embedding }, {}) : this.#records.map(head.linear, {});
    return this.#part({ headNorm: this.#records.norm(head.norm, {}), head: map });
  }

  #part(built: Partial<Program>): Program {
    return {
      embedding: NOTHING,
      stages: [],
      headNorm: undefined,
      head: NOTHING,
      rotations: this.#records.rotations,
      pageBytes: this.#records.pageBytes,
      stacks: this.#stacks,
      sizes: this.#records.sizes,
      ...built,
    };
  }

  #stage(stage: Stage, width: number): StageStep {
    switch (stage.kind) {
      case "layers":
        return { kind: "layers", stack: this.#stack(stage.stack, width, {}) };
      case "project":
        return { kind: "project", norm: this.#records.norm(stage.norm, {}), map: this.#records.map(stage.linear, {}) };
      case "routed":
        return {
          kind: "routed",
          experts: Array.from({ length: stage.experts }, (_, expert) => ({
            stack: this.#stack(stage.stack, width, { expert }),
            norm: this.#records.norm(stage.norm, { expert }),
            project: stage.project && this.#records.map(stage.project.linear, { expert }),
          })),
        };
    }
  }

  /** A stack, or one layer of it. */
  #stack(stack: Stack, width: number, scope: Scope, only?: number): StackStep {
    const from = only ?? 0;
    const layers = layersOf(stack)
      .slice(from, only === undefined ? undefined : only + 1)
      .map((layer, i) => this.#layer(layer, width, { ...scope, layer: from + i }));
    const rotations = [...new Set(layers.flatMap(({ attention }) => attention.rotation ?? []))];
    const step: StackStep = { length: this.#stacks.length, layers, from, rotations, width };
    this.#stacks.push(step);
    return step;
  }

  #layer(layer: Layer, width: number, scope: Scope): LayerStep {
    return {
      attentionNorm: this.#records.norm(layer.attentionNorm, scope),
      attention: attentionStep(this.#records, layer.attention, scope),
      ffnNorm: this.#records.norm(layer.ffnNorm, scope),
      ffn: ffnStep(this.#records, layer.ffn, width, scope),
    };
  }
}
