/**
 * Sessions: one sequence of positions behind the control gate. `openSession` gives a session in SOH, which cannot compute;
 * `begin(STX)` holds it against the sealed control record and gives the body, on which the forward pass exists; `end` (ETX)
 * closes the body for good, `close` (EOT) the session. Neither can be made, copied or revived in any other way.
 */
import type { Logits, Sequence } from "../engine.ts";
import { GateError, RuntimeError, SessionStateError } from "../errors.ts";
import { type GenerateOptions, type GenerateStep, generate } from "../generation/generate.ts";
import { type Model, machineOf } from "../model.ts";
import { type Phase, passGate, type STX } from "./gate.ts";
import type { RouteCursor } from "./lexical-router.ts";
import { layerShapes, slotsOf } from "./session-layers.ts";
import { encodeState, ownBytes, readStateHead, readStateLayers } from "./session-state.ts";

/** Held by this module alone: without it the constructors throw. */
const KEY = Symbol("session");

/** Opens a session in phase SOH. Throws RuntimeError `unverified` for what loadModel did not make. */
export function openSession(model: Model): Session {
  machineOf(model);
  return new Session(KEY, model);
}

/** A session and its phase. Only {@link openSession} makes one. */
export class Session {
  readonly #model: Model;
  #phase: Phase = "SOH";
  #body: SessionBody | undefined;

  /** @internal */
  constructor(key: typeof KEY, model: Model) {
    if (key !== KEY || new.target !== Session) throw forged();
    this.#model = model;
    Object.freeze(this);
  }

  get phase(): Phase {
    return Session.#phaseOf(this);
  }

  /** SOH → STX: passes the gate, once. Throws GateError. */
  begin(mark: typeof STX): SessionBody {
    const phase = Session.#phaseOf(this);
    if (phase !== "SOH") throw new GateError("phase", `the session is in ${phase} and begins once: open another`);
    const { gate, policy } = this.#model.artifact;
    passGate(mark, gate, policy);
    this.#body = new SessionBody(KEY, this.#model);
    this.#phase = "STX";
    return this.#body;
  }

  /** → EOT, from any phase. A body that is still open ends first. */
  close(): void {
    Session.#phaseOf(this);
    if (this.#body && !this.#body.ended) this.#body.end();
    this.#phase = "EOT";
  }

  // Static, as a private method would greet a forgery with a bare TypeError.
  static #phaseOf(session: Session): Phase {
    if (!isObject(session) || !(#phase in session)) throw forged();
    return session.#phase === "STX" && session.#body?.ended ? "ETX" : session.#phase;
  }
}

/** The body of a session: a growing sequence with its key-value cache. Only {@link Session.begin} makes one. */
export class SessionBody {
  readonly #model: Model;
  readonly #ids: number[] = [];
  readonly #routes: number[] = [];
  readonly #router: RouteCursor | undefined;
  #sequence: Sequence | undefined;

  /** @internal */
  constructor(key: typeof KEY, model: Model) {
    if (key !== KEY || new.target !== SessionBody) throw forged();
    const { engine, routes } = machineOf(model);
    this.#model = model;
    this.#router = routes?.();
    this.#sequence = engine.open();
    Object.freeze(this);
  }

  get model(): Model {
    return SessionBody.#genuine(this).#model;
  }

  /** Positions so far. */
  get length(): number {
    SessionBody.#sequenceOf(this);
    return this.#ids.length;
  }

  /** The ids of all positions so far. */
  get ids(): readonly number[] {
    return [...SessionBody.#genuine(this).#ids];
  }

  /** The expert of each position so far; empty where the model has no routed stage. */
  get routes(): readonly number[] {
    return [...SessionBody.#genuine(this).#routes];
  }

  /** Whether the body has ended (ETX). */
  get ended(): boolean {
    return SessionBody.#genuine(this).#sequence === undefined;
  }

  /**
   * Runs ids at the next positions: the integer logits of the last one, or of all. How a text is cut into calls changes no
   * bit, and calls run in their order, awaited or not. Rejects with GateError after ETX, RuntimeError `ids` or `context`; then
   * nothing has run. If the engine itself fails, the body ends.
   */
  async forward(ids: readonly number[], want: "last" | "all" = "last"): Promise<Logits> {
    const sequence = SessionBody.#sequenceOf(this);
    const { vocab, context } = this.#model;
    if (ids.length === 0) throw new RuntimeError("ids", "there are no ids to run");
    const stray = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocab));
    if (stray !== undefined) throw new RuntimeError("ids", `id ${stray} is not one of the model's ${vocab}`);
    if (this.#ids.length + ids.length > context) {
      throw new RuntimeError(
        "context",
        `${this.#ids.length + ids.length} positions; the artifact allows ${context}: shorten the prompt`,
      );
    }
    const experts = this.#extend(ids);
    return this.#orEnd(sequence.forward(ids, experts, want));
  }

  /**
   * The session so far as bytes, once the calls before have run: see docs/receipts.md. It is a function of artifact and ids, so
   * whoever has time to run the ids again can hold it to them. Rejects with GateError after ETX.
   */
  async save(): Promise<Uint8Array> {
    const sequence = SessionBody.#sequenceOf(this);
    const ids = this.ids;
    const layers = await this.#orEnd(sequence.save());
    SessionBody.#sequenceOf(this); // a call before may have failed, and ended the body
    return encodeState({ ...this.#binding, ids }, layers);
  }

  /**
   * Goes on from what `save` of any engine gave, in a body without positions; the logits that follow are those of the session that was
   * saved. Its digest keeps accidents out, not forgers: take states from those whom you would let write the cache. Rejects with
   * SessionStateError, and then nothing has changed.
   */
  async restore(state: Uint8Array): Promise<void> {
    const sequence = SessionBody.#sequenceOf(this);
    if (this.#ids.length > 0)
      throw new SessionStateError("state-late", `the body already holds ${this.#ids.length} positions: open another`);
    const { artifact, context, vocab } = this.#model;
    const bytes = ownBytes(state);
    const head = readStateHead(bytes, this.#binding, { context, vocab });
    // Routed before the layers are read, as routes say how many slots there are; a router of its own, as this may yet fail.
    const routes = this.#routesOf(head.ids, machineOf(this.#model).routes?.());
    const shapes = layerShapes(artifact.fold).map((shape) => ({ ...shape, slots: slotsOf(shape, head.ids, routes) }));
    const layers = readStateLayers(bytes, head, shapes);
    this.#extend(head.ids);
    await this.#orEnd(sequence.restore(layers, head.ids.length));
  }

  get #binding() {
    const { root, gate } = this.#model.artifact;
    return { root, abiHash: gate.abiHash };
  }

  /** Counts ids as run, and gives the expert of each. */
  #extend(ids: readonly number[]): readonly number[] {
    const experts = this.#routesOf(ids, this.#router);
    for (const id of ids) this.#ids.push(id);
    for (const expert of experts) this.#routes.push(expert);
    return experts;
  }

  #routesOf(ids: readonly number[], router: RouteCursor | undefined): readonly number[] {
    const { tokenizer } = this.#model;
    return router && tokenizer ? ids.map((id) => router.step(tokenizer.bytes(id))) : [];
  }

  async #orEnd<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work;
    } catch (error) {
      if (!this.ended) this.end(); // its cache holds part of a step
      throw error;
    }
  }

  /** Continues a prompt, given as text or ids: see {@link generate}. */
  generate(prompt: string | readonly number[], options: GenerateOptions = {}): AsyncGenerator<GenerateStep, void> {
    SessionBody.#sequenceOf(this);
    return generate(this, prompt, options);
  }

  /** ETX: no call computes any more, and the cache is let go. */
  end(): void {
    SessionBody.#sequenceOf(this).close?.();
    this.#sequence = undefined;
  }

  static #genuine(body: SessionBody): SessionBody {
    if (!isObject(body) || !(#model in body)) throw forged();
    return body;
  }

  static #sequenceOf(body: SessionBody): Sequence {
    const sequence = SessionBody.#genuine(body).#sequence;
    if (!sequence) throw new GateError("phase", "the session's body has ended (ETX): open another session");
    return sequence;
  }
}

/** `this` is whatever a caller makes it. */
const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;

function forged(): GateError {
  return new GateError(
    "forged",
    "this is no session of this runtime, or a copy of one: call openSession and begin(STX)",
  );
}
