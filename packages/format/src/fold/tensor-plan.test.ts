import { describe, expect, test } from "vitest";
import { type Attention, type Ffn, FOLD_NAME, type Fold, foldSchema, type Layer, type Projection } from "./fold.ts";
import { byName, tensorNameAt, tensorPlan } from "./tensor-plan.ts";

const t = (tensor: string) => ({ tensor });
const qkv: Projection = { kind: "qkv", q: t("q{layer}"), k: t("k{layer}"), v: t("v{layer}"), o: t("o{layer}") };
const attention: Attention = {
  heads: 4,
  kvHeads: 2,
  keySize: 8,
  valueSize: 6,
  scale: 0,
  project: qkv,
  position: { kind: "none" },
};
const plain: Ffn = { kind: "plain", activation: "relu", width: 10, fc1: t("fc1.{layer}"), fc2: t("fc2.{layer}") };
const layer: Layer = { attention, ffn: plain };

const foldOf = (
  change: Partial<Fold> = {},
  kinds: readonly Layer[] = [layer],
  order: readonly number[] = [0],
): Fold => ({
  fold: FOLD_NAME,
  version: 1,
  vocab: 7,
  context: 5,
  width: 3,
  embedding: "embedding",
  stages: [{ kind: "layers", stack: { kinds, order } }],
  head: { kind: "tied" },
  ...change,
});

const withAttention = (change: Partial<Attention>): Fold =>
  foldOf({}, [{ ...layer, attention: { ...attention, ...change } }]);
const withFfn = (ffn: Ffn): Fold => foldOf({}, [{ ...layer, ffn }]);

const router = { linear: t("router"), score: "softmax", weights: "raw", scale: 0 } as const;
const expert = {
  kind: "plain",
  activation: "relu",
  width: 2,
  fc1: t("e{expert}.fc1"),
  fc2: t("e{expert}.fc2"),
} as const;
const experts = (change: object): Ffn => ({ kind: "experts", count: 4, used: 2, router, expert, ...change });

describe("tensorPlan", () => {
  test("gives each matrix as [out, in], in the order of the bytes of the names", () => {
    expect(
      tensorPlan(foldOf({}, [layer], [0, 0])).map(
        ({ name, dtype, shape, component }) => `${name} ${dtype} ${shape} ${component}`,
      ),
    ).toEqual([
      "embedding i8 7,3 embedding",
      ...[
        "fc1.0 i8 10,3",
        "fc1.1 i8 10,3",
        "fc2.0 i8 3,10",
        "fc2.1 i8 3,10",
        "k0 i8 16,3",
        "k1 i8 16,3",
        "o0 i8 3,24",
        "o1 i8 3,24",
      ].map((line) => `${line} trunk`),
      ...["q0 i8 32,3", "q1 i8 32,3", "v0 i8 12,3", "v1 i8 12,3"].map((line) => `${line} trunk`),
    ]);
  });

  test("puts each expert's matrices into its own component, and the router into the trunk, in two planes", () => {
    const plan = tensorPlan(withFfn(experts({})));
    expect(plan.filter(({ component }) => component === "expert3").map(({ name }) => name)).toEqual([
      "e3.fc1",
      "e3.fc2",
    ]);
    expect(plan.find(({ name }) => name === "router")).toEqual({
      name: "router",
      dtype: "i8x2",
      shape: [4, 3],
      component: "trunk",
    });
  });

  test("lets layers share the tables of positions, and those alone", () => {
    const rope = { kind: "rope", pairs: "half", offset: 0, dims: 8, frequencies: "rope", magnitude: 0 } as const;
    const plan = tensorPlan(foldOf({}, [{ ...layer, attention: { ...attention, position: rope } }], [0, 0]));
    expect(plan.filter(({ name }) => name === "rope")).toEqual([
      { name: "rope", dtype: "u64", shape: [4], component: "trunk" },
    ]);
  });

  test("follows the width through a projection", () => {
    const stages: Fold["stages"] = [{ kind: "project", linear: t("narrow"), width: 2 }];
    const plan = tensorPlan(foldOf({ stages, head: { kind: "linear", linear: t("head") } }));
    expect(plan.map(({ name, shape }) => `${name} ${shape}`)).toEqual(["embedding 7,3", "head 7,2", "narrow 2,3"]);
  });

  test.each<[string, Fold]>([
    ["a name for two purposes", foldOf({ embedding: "q0" })],
    ["one matrix for two layers", foldOf({}, [{ ...layer, ffn: { ...plain, fc1: t("same") } }], [0, 0])],
    ["a placeholder that nothing fills", foldOf({ embedding: "e{layer}" })],
    ["an expert's placeholder outside experts", foldOf({}, [{ ...layer, ffn: { ...plain, fc1: t("fc{expert}") } }])],
    ["heads that its key-value heads do not divide", withAttention({ heads: 3 })],
    ["queries wider than the limit", withAttention({ heads: 4096, keySize: 64 })],
    [
      "a rotation of odd size",
      withAttention({ position: { kind: "rope", pairs: "half", offset: 0, dims: 3, frequencies: "r", magnitude: 0 } }),
    ],
    [
      "a rotation beyond the key",
      withAttention({ position: { kind: "rope", pairs: "half", offset: 4, dims: 6, frequencies: "r", magnitude: 0 } }),
    ],
    ["a value residual in the first layer", withAttention({ valueResidual: "lambda{layer}" })],
    ["more experts used than there are", withFfn(experts({ used: 5 }))],
    [
      "groups that do not divide the experts",
      withFfn(experts({ router: { ...router, groups: { count: 3, used: 1, top: 1 } } })),
    ],
    [
      "more groups used than there are",
      withFfn(experts({ router: { ...router, groups: { count: 2, used: 3, top: 1 } } })),
    ],
    [
      "a group's best of more than it has",
      withFfn(experts({ router: { ...router, groups: { count: 2, used: 2, top: 3 } } })),
    ],
    [
      "groups too few for the experts used",
      withFfn(experts({ used: 4, router: { ...router, groups: { count: 2, used: 1, top: 1 } } })),
    ],
    ["a layer of a kind that there is not", foldOf({}, [layer], [1])],
    ["kinds used out of order", foldOf({}, [layer, { ...layer, ffn: { ...plain, width: 4 } }], [1, 0])],
    ["a kind that is not used", foldOf({}, [layer, { ...layer, ffn: { ...plain, width: 4 } }], [0])],
    ["one kind stated twice", foldOf({}, [layer, layer], [0, 1])],
    ["a tied head of another width", foldOf({ stages: [{ kind: "project", linear: t("narrow"), width: 2 }] })],
    [
      "latent attention whose parts are not its key",
      withAttention({
        kvHeads: 4,
        project: {
          kind: "mla",
          nope: 4,
          rope: 5,
          kvRank: 2,
          qUp: t("a"),
          kvDown: t("b"),
          kvNorm: { kind: "rms", eps: 0, gain: "c" },
          kRope: t("d"),
          kUp: t("e"),
          vUp: t("f"),
          o: t("g"),
        },
      }),
    ],
    [
      "a tensor product of unequal keys and values",
      withAttention({
        project: { kind: "tpa", qRank: 1, rank: 1, aq: "a", ak: "b", av: "c", bq: "d", bk: "e", bv: "f", o: t("g") },
      }),
    ],
  ])("refuses %s", (_, fold) => {
    expect(() => tensorPlan(foldSchema.parse(fold, "FOLD"))).toThrow(
      expect.objectContaining({ name: "FormatError", code: "fold" }),
    );
  });

  test("stops at its limit, however many tensors a fold implies", () => {
    const huge = foldOf(
      {},
      [
        {
          ...layer,
          ffn: experts({
            count: 4096,
            expert: { ...expert, fc1: t("{layer}.{expert}.1"), fc2: t("{layer}.{expert}.2") },
            router: { ...router, linear: t("r{layer}") },
          }),
        },
      ],
      new Array<number>(4096).fill(0),
    );
    expect(() => tensorPlan(huge, 100)).toThrow("one tensor more than the 100 there may be");
    const fold = foldOf();
    const count = tensorPlan(fold).length;
    expect(tensorPlan(fold, count)).toHaveLength(count);
    expect(() => tensorPlan(fold, count - 1)).toThrow("one tensor more");
  });
});

/** The plan as lines of name, dtype, shape and component, less the tensors that every fold here has. */
const linesOf = (fold: Fold, without: RegExp = /^(embedding|fc[12]\.)/): readonly string[] =>
  tensorPlan(foldSchema.parse(fold, "FOLD"))
    .filter(({ name }) => !without.test(name))
    .map(({ name, dtype, shape, component }) => `${name} ${dtype} ${shape} ${component}`);

const rms = (gain: string) => ({ kind: "rms", eps: 0, gain }) as const;
const layerNorm = (name: string) => ({ kind: "layer", eps: 0, gain: `${name}.gain`, bias: `${name}.bias` }) as const;
const mla = {
  kind: "mla",
  nope: 5,
  rope: 3,
  kvRank: 2,
  qUp: t("qUp"),
  kvDown: t("kvDown"),
  kvNorm: rms("kvNorm"),
  kRope: t("kRope"),
  kUp: t("kUp"),
  vUp: t("vUp"),
  o: t("o"),
} as const;
const tpa = {
  kind: "tpa",
  qRank: 5,
  rank: 2,
  aq: "aq",
  ak: "ak",
  av: "av",
  bq: "bq",
  bk: "bk",
  bv: "bv",
  o: t("o"),
} as const;
const rope = { kind: "rope", pairs: "half", offset: 0, dims: 8, frequencies: "rope", magnitude: 0 } as const;
const alibi = { kind: "alibi", slopes: "slopes" } as const;
/** So many layers alike. */
const deep = (layers: number, change: Partial<Layer>): Fold =>
  foldOf({}, [{ ...layer, ...change }], new Array<number>(layers).fill(0));
const squared: Ffn = { ...plain, activation: "relu2" };
const gated: Ffn = {
  kind: "gated",
  activation: "relu",
  width: 10,
  gate: t("g{layer}"),
  up: t("u{layer}"),
  down: t("d{layer}"),
};
const product: Attention = {
  ...attention,
  valueSize: 8,
  project: {
    ...tpa,
    aq: "aq{layer}",
    ak: "ak{layer}",
    av: "av{layer}",
    bq: "bq{layer}",
    bk: "bk{layer}",
    bv: "bv{layer}",
    o: t("o{layer}"),
  },
};
const ofExperts = (change: object): Ffn =>
  experts({
    router: { ...router, linear: t("r{layer}") },
    expert: { ...expert, fc1: t("{layer}.e{expert}.1"), fc2: t("{layer}.e{expert}.2") },
    ...change,
  });

describe("exponents", () => {
  test.each<[string, Partial<Layer>]>([
    ["squares", { ffn: squared }],
    ["gates", { ffn: gated }],
    [
      "experts that square",
      {
        ffn: ofExperts({
          expert: { ...expert, activation: "relu2", fc1: t("{layer}.e{expert}.1"), fc2: t("{layer}.e{expert}.2") },
        }),
      },
    ],
    [
      "a shared expert that squares",
      { ffn: ofExperts({ shared: { ffn: { ...squared, fc1: t("s1.{layer}"), fc2: t("s2.{layer}") } } }) },
    ],
    ["tensor products, whose network has a norm", { attention: product, ffnNorm: rms("n{layer}") }],
  ])("double with each layer of %s and no norm before it, which 24 layers may not", (_, change) => {
    expect(() => tensorPlan(deep(24, change))).toThrow("beyond any exponent");
    expect(tensorPlan(deep(8, change)).length).toBeGreaterThan(48);
  });

  test.each<[string, Partial<Layer>]>([
    ["no products", {}],
    [
      "experts without products",
      { ffn: ofExperts({ shared: { ffn: { ...plain, fc1: t("s1.{layer}"), fc2: t("s2.{layer}") } } }) },
    ],
    ["gates after a norm", { ffnNorm: rms("n{layer}"), ffn: gated }],
    ["tensor products after a norm", { attentionNorm: rms("n{layer}"), attention: product }],
  ])("stay in range through 1,000 layers with %s", (_, change) => {
    expect(tensorPlan(deep(1000, change)).length).toBeGreaterThan(6000);
  });
});

const groups = (count: number, used: number, top: number) => ({ router: { ...router, groups: { count, used, top } } });
const routed = (kinds: readonly Layer[], more: object = {}): Fold =>
  foldOf({ stages: [{ kind: "routed", experts: 2, stack: { kinds, order: [0] }, ...more }] });
/** A layer whose names carry its expert. */
const expertLayer: Layer = {
  attention: {
    ...attention,
    project: { kind: "qkv", q: t("q{expert}"), k: t("k{expert}"), v: t("v{expert}"), o: t("o{expert}") },
  },
  ffn: { ...plain, fc1: t("fc1.{expert}"), fc2: t("fc2.{expert}") },
};
/** A second layer, which mixes in the first one's values. */
const mixing = (change: Partial<Attention>): Fold =>
  foldOf({}, [layer, { ...layer, attention: { ...attention, valueResidual: "lambda", ...change } }], [0, 1]);

describe("the shapes of each mechanism", () => {
  test.each<[string, Fold, readonly string[]]>([
    [
      "attention with norms of heads, biases and sinks",
      withAttention({
        sinks: "sinks",
        position: rope,
        project: {
          ...qkv,
          q: { tensor: "q", bias: "qb" },
          o: { tensor: "o", bias: "ob" },
          qNorm: rms("qn"),
          kNorm: layerNorm("kn"),
        },
      }),
      [
        ...[
          "k0 i8 16,3",
          "kn.bias f32 8",
          "kn.gain f32 8",
          "o i8 3,24",
          "ob f32 3",
          "q i8 32,3",
          "qb f32 32",
          "qn f32 8",
        ],
        ...["rope u64 4", "sinks f32 4", "v0 i8 12,3"],
      ],
    ],
    [
      "latent attention",
      withAttention({ kvHeads: 4, project: mla }),
      [...["kRope i8 3,3", "kUp i8 20,2", "kvDown i8 2,3", "kvNorm f32 2", "o i8 3,24", "qUp i8 32,3", "vUp i8 24,2"]],
    ],
    [
      "latent attention whose queries go down first",
      withAttention({ kvHeads: 4, project: { ...mla, qDown: { rank: 6, linear: t("qDown"), norm: rms("qNorm") } } }),
      [
        ...["kRope i8 3,3", "kUp i8 20,2", "kvDown i8 2,3", "kvNorm f32 2", "o i8 3,24", "qDown i8 6,3", "qNorm f32 6"],
        ...["qUp i8 32,6", "vUp i8 24,2"],
      ],
    ],
    [
      "a tensor product",
      withAttention({
        valueSize: 8,
        position: alibi,
        project: { ...tpa, qBias: "qb", kBias: "kb", vBias: "vb", qNorm: rms("qn"), kNorm: rms("kn") },
      }),
      [
        ...["ak i8 4,3", "aq i8 20,3", "av i8 4,3", "bk i8 16,3", "bq i8 40,3", "bv i8 16,3", "kb f32 16", "kn f32 8"],
        ...["o i8 3,32", "qb f32 32", "qn f32 8", "slopes f32 4", "vb f32 16"],
      ],
    ],
    ...(["gated", "clamped"] as const).map((kind): [string, Fold, readonly string[]] => [
      `a ${kind} network`,
      withFfn({
        ...(kind === "gated" ? { kind, activation: "silu" } : { kind, alpha: 0, limit: 0 }),
        width: 10,
        gate: { tensor: "gate", bias: "gate.bias" },
        up: t("up"),
        down: t("down"),
      }),
      [
        ...["down i8 3,10", "gate i8 10,3", "gate.bias f32 10", "k0 i8 16,3", "o0 i8 3,24", "q0 i8 32,3"],
        ...["up i8 10,3", "v0 i8 12,3"],
      ],
    ]),
    [
      "experts with a bias of selection, groups, and a shared one behind a gate",
      withFfn(
        experts({
          count: 2,
          router: { ...router, selectionBias: "bias", groups: { count: 2, used: 2, top: 1 } },
          shared: { ffn: { ...plain, fc1: t("s1"), fc2: t("s2") }, gate: t("gate") },
        }),
      ),
      [
        ...["bias f32 2", "e0.fc1 i8 2,3", "e0.fc2 i8 3,2", "e1.fc1 i8 2,3", "e1.fc2 i8 3,2", "gate i8x2 1,3"],
        ...["k0 i8 16,3", "o0 i8 3,24", "q0 i8 32,3", "router i8x2 2,3", "s1 i8 10,3", "s2 i8 3,10", "v0 i8 12,3"],
      ],
    ],
    [
      "a shared expert without a gate",
      withFfn(experts({ count: 2, shared: { ffn: { ...plain, fc1: t("s1"), fc2: t("s2") } } })),
      [
        ...[
          "e0.fc1 i8 2,3",
          "e0.fc2 i8 3,2",
          "e1.fc1 i8 2,3",
          "e1.fc2 i8 3,2",
          "k0 i8 16,3",
          "o0 i8 3,24",
          "q0 i8 32,3",
        ],
        ...["router i8x2 2,3", "s1 i8 10,3", "s2 i8 3,10", "v0 i8 12,3"],
      ],
    ],
    [
      "values mixed in from the first layer, and norms before both halves",
      foldOf(
        {},
        [
          layer,
          {
            ...layer,
            attentionNorm: rms("n1"),
            ffnNorm: layerNorm("n2"),
            attention: { ...attention, valueResidual: "lambda" },
          },
        ],
        [0, 1],
      ),
      [
        ...["k0 i8 16,3", "k1 i8 16,3", "lambda f32 1", "n1 f32 3", "n2.bias f32 3", "n2.gain f32 3", "o0 i8 3,24"],
        ...["o1 i8 3,24", "q0 i8 32,3", "q1 i8 32,3", "v0 i8 12,3", "v1 i8 12,3"],
      ],
    ],
  ])("%s", (_, fold, lines) => {
    expect(linesOf(fold)).toEqual(lines.map((line) => `${line} ${/^e\d/.test(line) ? `expert${line[1]}` : "trunk"}`));
  });

  test("a routed stage has all of a transformer in each expert, and its projection gives the width that follows", () => {
    const fold = routed([expertLayer], { norm: rms("n{expert}"), project: { linear: t("p{expert}"), width: 2 } });
    const lines = linesOf({ ...fold, head: { kind: "linear", norm: rms("norm"), linear: t("head") } }, /^embedding/);
    expect(lines).toEqual([
      ...["fc1.0 i8 10,3 expert0", "fc1.1 i8 10,3 expert1", "fc2.0 i8 3,10 expert0", "fc2.1 i8 3,10 expert1"],
      ...[
        "head i8 7,2 head",
        "k0 i8 16,3 expert0",
        "k1 i8 16,3 expert1",
        "n0 f32 3 expert0",
        "n1 f32 3 expert1",
        "norm f32 2 head",
      ],
      ...["o0 i8 3,24 expert0", "o1 i8 3,24 expert1", "p0 i8 2,3 expert0", "p1 i8 2,3 expert1", "q0 i8 32,3 expert0"],
      ...["q1 i8 32,3 expert1", "v0 i8 12,3 expert0", "v1 i8 12,3 expert1"],
    ]);
    expect(linesOf(routed([expertLayer]))).toContain("q1 i8 32,3 expert1");
  });

  test.each<[string, Fold]>([
    ["as many experts used as there are", withFfn(experts({ used: 4 }))],
    ["all groups, and of each all experts", withFfn(experts({ used: 4, ...groups(2, 2, 2) }))],
    ["just enough experts in the groups used", withFfn(experts({ used: 2, ...groups(2, 1, 2) }))],
    ["a rotation up to the end of the key", withAttention({ position: { ...rope, offset: 2, dims: 6 } })],
    ["heads as wide as the limit", withAttention({ heads: 256, kvHeads: 256, keySize: 512, valueSize: 512 })],
    [
      "one table of slopes for two layers",
      foldOf({}, [{ ...layer, attention: { ...attention, position: alibi } }], [0, 0]),
    ],
    [
      "a later layer of other heads that mixes nothing in",
      foldOf({}, [layer, { ...layer, attention: { ...attention, kvHeads: 1 } }], [0, 1]),
    ],
    ["a name of 512 bytes", foldOf({ embedding: "e".repeat(512) })],
    ["a window outside of a routed stage", withAttention({ window: 4 })],
  ])("may be %s", (_, fold) => {
    expect(tensorPlan(fold).length).toBeGreaterThan(6);
  });

  test.each<[string, Fold, RegExp]>([
    ["heads that are no multiple", withAttention({ heads: 3 }), /attention has 3 heads, not a multiple of its 2/],
    ["queries too wide", withAttention({ heads: 4096, keySize: 64 }), /heads · keySize = 262144, above 131072/],
    ["keys too wide", withAttention({ heads: 4096, kvHeads: 4096, keySize: 33 }), /heads · keySize/],
    [
      "values too wide",
      withAttention({ heads: 4096, kvHeads: 4096, keySize: 1, valueSize: 64 }),
      /kvHeads · valueSize/,
    ],
    ["what is mixed too wide", withAttention({ heads: 4096, keySize: 1, valueSize: 64 }), /heads · valueSize/],
    ["latent attention of fewer keys than queries", withAttention({ kvHeads: 2, project: mla }), /latent \(mla\)/],
    [
      "latent parts that are not its key",
      withAttention({ kvHeads: 4, project: { ...mla, nope: 4 } }),
      /nope 4 \+ rope 3/,
    ],
    ["a tensor product of two sizes", withAttention({ project: tpa }), /tensor product/],
    ["a rotation of odd size", withAttention({ position: { ...rope, dims: 3 } }), /3 dims, which is odd/],
    ["a rotation beyond its key", withAttention({ position: { ...rope, offset: 4, dims: 6 } }), /beyond its key size/],
    ["more experts used than there are", withFfn(experts({ used: 5 })), /router uses 5 of 4 experts/],
    ["groups that do not divide", withFfn(experts(groups(3, 1, 1))), /4 experts in 3 groups/],
    ["more groups used than there are", withFfn(experts(groups(2, 3, 1))), /more groups/],
    ["a group's best of more than it has", withFfn(experts(groups(2, 2, 3))), /more groups, or more experts/],
    [
      "too few experts in the groups used",
      withFfn(experts({ used: 4, ...groups(4, 3, 1) })),
      /chooses 4 experts from 3/,
    ],
    [
      "a router inside a routed stage",
      routed([{ ...expertLayer, ffn: experts({}) }]),
      /inside a routed stage, whose names/,
    ],
    [
      "a window inside a routed stage",
      routed([{ ...expertLayer, attention: { ...expertLayer.attention, window: 3 } }]),
      /window or ALiBi/,
    ],
    [
      "ALiBi inside a routed stage",
      routed([{ ...expertLayer, attention: { ...expertLayer.attention, position: alibi } }]),
      /window or ALiBi/,
    ],
    [
      "one table of positions in two sizes",
      foldOf(
        {},
        [
          { ...layer, attention: { ...attention, position: rope } },
          { ...layer, attention: { ...attention, position: { ...rope, dims: 4 } } },
        ],
        [0, 1],
      ),
      /rope is used for two purposes/,
    ],
    [
      "one table of as many slopes as turns",
      foldOf(
        {},
        [
          { ...layer, attention: { ...attention, position: rope } },
          { ...layer, attention: { ...attention, position: { kind: "alibi", slopes: "rope" } } },
        ],
        [0, 1],
      ),
      /rope is used for two purposes/,
    ],
    [
      "a table of positions that is a vector elsewhere",
      withAttention({ position: rope, sinks: "rope" }),
      /rope is used for two purposes/,
    ],
    [
      "a vector that two layers share",
      foldOf({}, [{ ...layer, attention: { ...attention, sinks: "sinks" } }], [0, 0]),
      /sinks is used for two purposes/,
    ],
    ["values mixed in by the first layer", withAttention({ valueResidual: "lambda" }), /mixes in values/],
    ["values mixed in of other heads", mixing({ kvHeads: 1 }), /mixes in values/],
    ["values mixed in of another size", mixing({ valueSize: 7 }), /mixes in values/],
    ["a kind that there is not", foldOf({}, [layer], [1]), /layer 0 is of kind 1/],
    [
      "kinds out of order",
      foldOf({}, [layer, { ...layer, ffn: { ...plain, width: 4 } }], [1, 0]),
      /layer 0 is of kind 1/,
    ],
    [
      "a kind that is not used",
      foldOf({}, [layer, { ...layer, ffn: { ...plain, width: 4 } }], [0]),
      /2 kinds of layer and uses 1/,
    ],
    ["one kind stated twice", foldOf({}, [layer, layer], [0, 1]), /states one kind of layer twice/],
    [
      "a tied head of another width",
      foldOf({ stages: [{ kind: "project", linear: t("narrow"), width: 2 }] }),
      /3 wide, but its input is 2 wide/,
    ],
  ])("may not be %s, which is said with the part as its place", (_, fold, message) => {
    expect(() => tensorPlan(foldSchema.parse(fold, "FOLD"))).toThrow(
      expect.objectContaining({
        name: "FormatError",
        code: "fold",
        message: expect.stringMatching(message),
        at: expect.stringMatching(/^(attention|router|fold|head|rope|sinks)$/),
      }),
    );
  });

  test("are refused with the name of a tensor as the place, where it is one's", () => {
    for (const embedding of ["q0", "e".repeat(513), "e{layer}"])
      expect(() => tensorPlan(foldOf({ embedding }))).toThrow(expect.objectContaining({ at: embedding }));
  });
});

describe("names", () => {
  test("take the numbers of their layer and expert, each time they occur", () => {
    expect(tensorNameAt("a{layer}.{expert}.{layer}", 3, 12)).toBe("a3.12.3");
    expect(tensorNameAt("a{layer}", 0)).toBe("a0");
  });

  test("are ordered by bytes, not as numbers and not by locale", () => {
    const [a, b] = [{ name: "a" }, { name: "b" }] as const;
    expect([byName(a, b), byName(b, a), byName(a, { name: "a" })]).toEqual([-1, 1, 0]);
    const names = ["expert2", "expert10", "Z", "a", "_"].map((name) => ({ name }));
    expect(names.sort(byName).map(({ name }) => name)).toEqual(["Z", "_", "a", "expert10", "expert2"]);
  });
});
