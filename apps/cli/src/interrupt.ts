/** Ctrl-C: work in progress is told to stop, and cleans up as it does for any other error. */
import { CliError } from "./errors.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** A signal that aborts with CliError `interrupted`. A second Ctrl-C ends the process at once. */
export function listenForInterrupts(): { readonly signal: AbortSignal; readonly stop: () => void } {
  const controller = new AbortController();
  const interrupt = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(2);
    controller.abort(new CliError("interrupted", `stopped by ${name} before it was done`));
  };
  for (const name of SIGNALS) process.on(name, interrupt);
  return {
    signal: controller.signal,
    stop: () => {
      for (const name of SIGNALS) process.off(name, interrupt);
    },
  };
}
