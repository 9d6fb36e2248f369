/** The thread itself. The build makes one script of this file and what it imports (scripts/inline-script.mjs). */
import { type SharedBytes, threadPort } from "@s7l/format";
import { type Checker, checkerOf, type SharedPlace, type Work } from "./checker.ts";

/** The first question tells where the bytes are, and is answered with nothing; each other one is how many of these tensors hold. */
export type Question =
  | { readonly shared: SharedBytes; readonly place: SharedPlace }
  | { readonly tensors: readonly Work[] };

let check: Checker | undefined;

async function answer(question: Question): Promise<number | undefined> {
  try {
    if ("tensors" in question) return await check?.(question.tensors);
    check = checkerOf(question.shared, question.place);
  } catch {
    // Without a checker it checks no tensor.
  }
  return undefined;
}

const port = threadPort<Question>();
/** Questions are answered in their order, however many have come. */
let answered: Promise<void> = Promise.resolve();
port.onmessage = ({ data }) => {
  answered = answered.then(async () => port.postMessage(await answer(data)));
};
