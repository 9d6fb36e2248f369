/**
 * A thread as something to ask. It answers questions in their order with yes or no, and no is also what it says when it cannot
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
  const waiting: ((holds: boolean) => void)[] = [];
  let ended = false;
  const onEnd = (): void => {
    ended = true;
    for (const settle of waiting.splice(0)) settle(false);
  };
  try {
    const thread = startThread<unknown>(script, (said) => waiting.shift()?.(said === true), onEnd);
    return {
      ask: (question) =>
        new Promise((resolve) => {
          if (ended) return resolve(false);
          waiting.push(resolve);
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
