/** A thread as something to ask. It answers questions in their order, with undefined where it cannot start, fails or is ended. */
import { type SharedBytes, startThread } from "@s7l/format";
import type { Checker, SharedPlace } from "./checker.ts";
import type { Question } from "./worker.ts";
import { script } from "./worker-script.generated.ts";

export interface CheckingThread {
  /** Tells it where the tensors lie, before it is asked for any. */
  tell(shared: SharedBytes, place: SharedPlace): void;
  readonly check: Checker;
  /** Ends it, whatever it is doing. */
  end(): void;
}

/** Starts a thread, or gives undefined where the host has none or refuses one. */
export function startChecking(): CheckingThread | undefined {
  const waiting: ((count: number | undefined) => void)[] = [];
  let ended = false;
  const onEnd = (): void => {
    ended = true;
    for (const settle of waiting.splice(0)) settle(undefined);
  };
  try {
    const thread = startThread<unknown>(
      script,
      (said) => waiting.shift()?.(typeof said === "number" ? said : undefined),
      onEnd,
    );
    const ask = (question: Question): Promise<number | undefined> =>
      new Promise((resolve) => {
        if (ended) return resolve(undefined);
        waiting.push(resolve);
        try {
          thread.send(question);
        } catch {
          // A Blob that lies in a file cannot be sent in Node.
          thread.end();
          onEnd();
        }
      });
    return {
      tell: (shared, place) => void ask({ shared, place }),
      check: (tensors) => ask({ tensors }),
      end: () => {
        thread.end();
        onEnd();
      },
    };
  } catch {
    return undefined;
  }
}
