import { TINY_KINDS } from "@s7l/fixtures";
import { beforeAll, describe, expect, test } from "vitest";
import { tinyModel } from "../../test/sealed.ts";
import type { Model } from "../model.ts";
import { STX } from "./gate.ts";
import { openSession, type Session, SessionBody, Session as SessionClass } from "./session.ts";

let model: Model;
beforeAll(async () => {
  model = await tinyModel("routed");
});

const gateError = (code: string) => expect.objectContaining({ name: "GateError", code });
const runtimeError = (code: string) => expect.objectContaining({ name: "RuntimeError", code });

/** Everything callable on an object, its prototypes included. */
function methodsOf(value: object): readonly string[] {
  const names: string[] = [];
  for (let it: object | null = value; it && it !== Object.prototype; it = Object.getPrototypeOf(it)) {
    names.push(...Object.getOwnPropertyNames(it));
  }
  return names.filter((name) => name !== "constructor").sort();
}

describe("a session", () => {
  test("has no forward pass before STX, and one after", async () => {
    const session = openSession(model);
    expect(session.phase).toBe("SOH");
    expect(methodsOf(session)).toEqual(["begin", "close", "phase"]);
    const body = session.begin(STX);
    expect(session.phase).toBe("STX");
    expect((await body.forward([3])).mantissas.length).toBe(model.vocab);
  });

  test("is refused by the gate without U+0002", () => {
    const session: { begin(mark: string): unknown } = openSession(model);
    expect(() => session.begin("\u0003")).toThrow(gateError("mark"));
    expect(() => session.begin("")).toThrow(gateError("mark"));
  });

  test("begins once", () => {
    const session = openSession(model);
    session.begin(STX);
    expect(() => session.begin(STX)).toThrow(gateError("phase"));
  });

  test("goes through its phases in one direction", () => {
    const session = openSession(model);
    const body = session.begin(STX);
    body.end();
    expect(session.phase).toBe("ETX");
    expect(() => session.begin(STX)).toThrow(gateError("phase"));
    session.close();
    expect(session.phase).toBe("EOT");
    expect(() => session.begin(STX)).toThrow(gateError("phase"));
  });

  test.each([
    { after: "ETX", finish: (_: Session, body: SessionBody) => body.end() },
    { after: "EOT", finish: (session: Session) => session.close() },
  ])("computes nothing after $after", async ({ finish }) => {
    const session = openSession(model);
    const body = session.begin(STX);
    await body.forward([3]);
    finish(session, body);
    await expect(body.forward([3])).rejects.toThrow(gateError("phase"));
    expect(() => body.generate([3])).toThrow(gateError("phase"));
    expect(() => body.end()).toThrow(gateError("phase"));
    expect(() => body.length).toThrow(gateError("phase"));
  });

  test("keeps a generation that is under way from going on after ETX", async () => {
    const body = openSession(model).begin(STX);
    const steps = body.generate([3], { maxTokens: 5 });
    await steps.next();
    body.end();
    await expect(steps.next()).rejects.toThrow(gateError("phase"));
  });
});

describe("a body that begin did not make", () => {
  const forgeries: Readonly<Record<string, (body: SessionBody) => unknown>> = {
    "a structured clone": (body) => structuredClone(body),
    "a spread": (body) => ({ ...body }),
    "an object that inherits from it": (body) => Object.create(body),
    "an object of its prototype": () => Object.create(SessionBody.prototype),
    "a proxy": (body) => new Proxy(body, {}),
    "its JSON, revived": (body) =>
      Object.assign(Object.create(SessionBody.prototype), JSON.parse(JSON.stringify(body))),
    nothing: () => undefined,
  };

  test.each(Object.keys(forgeries))("is refused: %s", async (kind) => {
    const body = openSession(model).begin(STX);
    const forgery = forgeries[kind]?.(body);
    // As hard as it can be tried: the method itself, on the forgery.
    await expect(SessionBody.prototype.forward.call(forgery as SessionBody, [3])).rejects.toThrow(gateError("forged"));
    expect(() => SessionBody.prototype.generate.call(forgery as SessionBody, [3])).toThrow(gateError("forged"));
    expect("forward" in Object(structuredClone(body))).toBe(false);
  });

  test("is refused where a session is: clones and look-alikes cannot begin", () => {
    const session = openSession(model);
    for (const forgery of [Object.create(session), new Proxy(session, {}), {}]) {
      expect(() => SessionClass.prototype.begin.call(forgery, STX)).toThrow(gateError("forged"));
      expect(() => SessionClass.prototype.close.call(forgery)).toThrow(gateError("forged"));
    }
    expect(session.phase).toBe("SOH");
  });

  test("cannot be constructed or subclassed", () => {
    const make = (made: unknown) => () => Reflect.construct(made as typeof SessionBody, [Symbol("session"), model]);
    expect(make(SessionBody)).toThrow(gateError("forged"));
    expect(make(SessionClass)).toThrow(gateError("forged"));
    expect(make(class extends SessionBody {})).toThrow(gateError("forged"));
  });

  test("cannot be opened from a copied model", () => {
    expect(() => openSession({ ...model })).toThrow(runtimeError("unverified"));
    expect(() => openSession(Object.create(model))).toThrow(runtimeError("unverified"));
  });
});

describe("forward", () => {
  test.each(TINY_KINDS)("gives the same bits for %s however the ids are cut into calls", async (kind) => {
    const tiny = await tinyModel(kind);
    const ids = Array.from({ length: Math.min(11, tiny.context) }, (_, i) => (i * 7) % tiny.vocab);
    const whole = await openSession(tiny).begin(STX).forward(ids, "all");
    for (const size of [1, 3]) {
      const body = openSession(tiny).begin(STX);
      for (let at = 0; at < ids.length; at += size) {
        const part = await body.forward(ids.slice(at, at + size), "all");
        const [from, to] = [at * tiny.vocab, Math.min(at + size, ids.length) * tiny.vocab];
        expect(part.mantissas).toEqual(whole.mantissas.slice(from, to));
        expect(part.exponents).toEqual(whole.exponents.slice(at, at + size));
      }
      expect(body.ids).toEqual(ids);
    }
  });

  test("gives the last position alone unless all are wanted", async () => {
    const all = await openSession(model).begin(STX).forward([3, 4, 5], "all");
    const last = await openSession(model).begin(STX).forward([3, 4, 5]);
    expect(last.mantissas).toEqual(all.mantissas.slice(2 * model.vocab));
    expect(last.exponents).toEqual(all.exponents.slice(2));
  });

  test.each([
    { what: "no ids", ids: [], code: "ids" },
    { what: "an id beyond the vocabulary", ids: [3, 40], code: "ids" },
    { what: "a negative id", ids: [-1], code: "ids" },
    { what: "a fraction", ids: [1.5], code: "ids" },
    { what: "NaN", ids: [Number.NaN], code: "ids" },
    { what: "more positions than the context", ids: Array(33).fill(3), code: "context" },
  ])("refuses $what and runs nothing", async ({ ids, code }) => {
    const body = openSession(model).begin(STX);
    await expect(body.forward(ids)).rejects.toThrow(runtimeError(code));
    expect(body.length).toBe(0);
    expect(body.routes).toEqual([]);
    expect((await body.forward(Array(32).fill(3))).exponents.length).toBe(1);
    await expect(body.forward([3])).rejects.toThrow(runtimeError("context"));
  });

  test("ends the body where the engine fails, as its cache may hold part of a step", async () => {
    const threads = await tinyModel("dense", { engine: "simd", threads: 2 });
    const session = openSession(threads);
    const body = session.begin(STX);
    await body.forward([3]);
    threads.close();
    await expect(body.forward([3])).rejects.toThrow(runtimeError("engine"));
    expect(body.ended).toBe(true);
    expect(session.phase).toBe("ETX");
    await expect(body.forward([3])).rejects.toThrow(gateError("phase"));
  });

  test("that fails leaves nothing to save, even where saving was asked for before it had", async () => {
    const threads = await tinyModel("dense", { engine: "simd", threads: 2 });
    const body = openSession(threads).begin(STX);
    await body.forward([3]);
    threads.close();
    const calls = await Promise.allSettled([body.forward([3]), body.save()]);
    expect(calls).toEqual([
      { status: "rejected", reason: runtimeError("engine") },
      { status: "rejected", reason: gateError("phase") },
    ]);
  });

  test("routes each position by the text up to it", async () => {
    const body = openSession(model).begin(STX);
    const { tokenizer } = model;
    // The vocabulary of the tiny models: "!" and on; "=" is a trigger of expert 1.
    await body.forward(tokenizer?.encode("AB=C") ?? []);
    expect(body.routes).toEqual([3, 3, 1, 1]);
  });
});
