/** Contestants that take turns, each in a process of its own: what disturbs the machine disturbs all of them alike. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Turn } from "./turn.ts";

/** What a contestant's process says. `about`: what it runs with. */
export type Message = { readonly about: string } | { readonly turn: Turn } | { readonly absent: string };

export interface Contestant {
  readonly about: string;
  readonly turn: () => Promise<Turn>;
  readonly leave: () => void;
}

/** Starts a contestant's process and lets it load. Throws Error with its own words where it cannot take part. */
export async function enter(command: string, args: readonly string[]): Promise<Contestant> {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  const hear = listen(child);
  const first = await hear();
  if (!("about" in first)) throw new Error("absent" in first ? first.absent : "took a turn before it was asked");
  return {
    about: first.about,
    turn: async () => {
      child.send("turn");
      const message = await hear();
      if (!("turn" in message)) throw new Error("absent" in message ? message.absent : "gave no turn");
      return message.turn;
    },
    leave: () => child.disconnect(),
  };
}

/** The other side: says what it runs with, then takes a turn whenever it is asked. The first, unasked, warms it up. */
export async function takePart(load: () => Promise<{ readonly about: string; readonly turn: () => Promise<Turn> }>) {
  const say = (message: Message) => process.send?.(message);
  try {
    const { about, turn } = await load();
    await turn();
    process.on("message", async () => {
      try {
        say({ turn: await turn() });
      } catch (error) {
        say({ absent: String(error) });
      }
    });
    process.on("disconnect", () => process.exit(0));
    say({ about });
  } catch (error) {
    say({ absent: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
  }
}

/** The next message of a process, or an error with the end of what it wrote when it dies. */
function listen(child: ChildProcess): () => Promise<Message> {
  const heard: Message[] = [];
  let last = "";
  let gone: Error | undefined;
  let wake = () => {};
  child.stderr?.on("data", (chunk) => {
    last = (last + chunk).slice(-2000);
  });
  child.on("message", (message: Message) => {
    heard.push(message);
    wake();
  });
  const end = (reason: string) => {
    gone = new Error(`${reason}\n${last}`);
    wake();
  };
  child.on("error", (error) => end(error.message));
  child.on("exit", (code) => end(`the process ended with ${code}`));
  return async () => {
    while (heard.length === 0 && !gone)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    const message = heard.shift();
    if (message) return message;
    throw gone;
  };
}
