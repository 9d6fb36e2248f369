/**
 * A thread as something to ask. It answers one question at a time with yes or no, and no is also what it says when it cannot
 * start, fails or is ended.
 */
import { startThread } from "@s7l/format";
import type { Question } from "./worker.ts";
import { script } from "./worker-script.generated.ts";

export interface CheckingThread {
  ask(question: Question): Promise<boolean>;
  /** Ends it, whatever it is doing. */
  end(): void;
}

/** Starts a thread, or gives undefined where the host has none or refuses one. */
export function startChecking(): CheckingThread | undefined {
  let settle: ((holds: boolean) => void) | undefined;
  let ended = false;
  const answer = (holds: boolean): void => {
    const waiting = settle;
    settle = undefined;
    waiting?.(holds);
  };
  const onEnd = (): void => {
    ended = true;
    answer(false);
  };
  try {
    const thread = startThread<unknown>(script, (said) => answer(said === true), onEnd);
    return {
      ask: (question) =>
        new Promise((resolve) => {
          if (ended) return resolve(false);
          settle = resolve;
          thread.send(question);
        }),
      end: () => {
        thread.end();
        onEnd();
      },
    };
  } catch {
    return undefined;
  }
}
