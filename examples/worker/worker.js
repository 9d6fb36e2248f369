// A module worker. MODEL_URL and MODEL_ROOT are its variables; the root comes from whoever deploys it, not from the server.
import { openHttpSource, openVerified } from "@s7l/verify";

export default {
  async fetch(request, { MODEL_URL, MODEL_ROOT }) {
    const tensor = new URL(request.url).searchParams.get("tensor");
    try {
      const source = await openHttpSource(MODEL_URL, { signal: request.signal });
      const artifact = await openVerified(source, { expectedRoot: MODEL_ROOT });
      if (tensor === null)
        return Response.json({ name: artifact.meta.name, tensors: artifact.plan.map(({ name }) => name) });
      return new Response(await artifact.read(tensor));
    } catch (error) {
      return Response.json({ code: error.code ?? "internal", message: error.message }, { status: 502 });
    }
  },
};
