// On the server: the file on disk, by every rule.
import { openFileSource } from "@s7l/format/file";
import { verify } from "@s7l/verify";

export async function GET(request) {
  const expectedRoot = new URL(request.url).searchParams.get("root");
  const source = await openFileSource("public/model.s7l");
  try {
    const { ok, root, broken } = await verify(source, { expectedRoot });
    return Response.json({ ok, root, ...(broken ? { code: broken.code } : {}) }, { status: ok ? 200 : 409 });
  } finally {
    await source.close();
  }
}
