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

describe("names", () => {
  test("take the numbers of their layer and expert, each time they occur", () => {
    expect(tensorNameAt("a{layer}.{expert}.{layer}", 3, 12)).toBe("a3.12.3");
    expect(tensorNameAt("a{layer}", 0)).toBe("a0");
  });

  test("are ordered by bytes, not as numbers and not by locale", () => {
    const names = ["expert2", "expert10", "Z", "a", "_"].map((name) => ({ name }));
    expect(names.sort(byName).map(({ name }) => name)).toEqual(["Z", "_", "a", "expert10", "expert2"]);
  });
});
