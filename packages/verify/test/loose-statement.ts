/** The statement in a bundle of the stock tool, to be spoiled: every field is there, and none is kept from being another. */
export interface LooseStatement {
  _type: unknown;
  subject: [LooseSubject, ...LooseSubject[]];
  predicateType: unknown;
  predicate: {
    resources: [LooseResource, ...LooseResource[]];
    serialization: Record<string, unknown>;
  };
}

interface LooseSubject {
  name: unknown;
  digest: Record<string, unknown>;
}

interface LooseResource {
  name: unknown;
  digest: unknown;
  algorithm: unknown;
  annotations?: Record<string, unknown>;
}
