// Verifies the model beside the page, then runs it: nothing but what `verify` gives can be loaded.
import { blobSource } from "@s7l/format";
import { loadModel, openSession, replayGolden, STX } from "@s7l/runtime";
import { verify } from "@s7l/verify";

const { searchParams } = new URL(location.href);
const shown = document.querySelector("#verdict");
const response = await fetch("model.s7l");
const expectedRoot = searchParams.get("root");
const { artifact, broken } = await verify(blobSource(await response.blob()), { expectedRoot, replay: replayGolden });
if (artifact) {
  // More than one thread only where the page is cross-origin isolated; the text is the same.
  const model = await loadModel(artifact, { threads: Number(searchParams.get("threads") ?? 1) });
  const session = openSession(model);
  let text = "";
  for await (const step of session.begin(STX).generate(searchParams.get("prompt"), { maxTokens: 12 }))
    text += step.text;
  session.close();
  shown.textContent = `wrote on ${model.threads}: ${text}`;
} else {
  shown.textContent = `refused: ${broken.code}`;
}
