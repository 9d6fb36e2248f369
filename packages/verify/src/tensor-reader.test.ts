import { ATTACKS, attacked } from "@s7l/fixtures";
import { memorySource } from "@s7l/format";
import { afterEach, expect, test, vi } from "vitest";
import { fixtureOf } from "../test/refusal.ts";
import { sealWide } from "../test/seal-wide.ts";
import { openVerified, verify } from "./verify.ts";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

test("a byte that content forbids is a changed byte first, where the chunk is not the sealed one", async () => {
  const file = await sealWide();
  const artifact = await openVerified(memorySource(file));
  const places = artifact.plan.map(({ name }) => ({ ...artifact.record(name), name }));
  const end = Math.max(...places.map(({ offset, length }) => offset + length));
  const { name, offset } = places.reduce((a, b) => (b.length > a.length ? b : a));
  file[file.length - end + offset] = 0x80;
  expect(await verify(memorySource(file))).toMatchObject({ broken: { id: "V3", code: "chunk", at: `${name}#0` } });
});

test.each(
  ATTACKS.filter(({ name }) => name.startsWith("content: ")).map((attack) => [attack.name.slice(9), attack] as const),
)("tells of %s what it is and where, as soon as it is read", async (_, attack) => {
  const { broken } = await verify(memorySource(attacked(await fixtureOf(attack.fixture), attack, "root")));
  // Not that the scan, which stopped there, did not come to the span's end.
  expect(broken?.message ?? "").not.toContain("span ends");
});

test("gives the bytes that were hashed, where WebCrypto does that and the source writes to them meanwhile", async () => {
  const file = await sealWide();
  const given: Uint8Array[] = [];
  const onHash = vi.fn();
  const { subtle } = globalThis.crypto;
  const digest = (name: string, data: BufferSource): Promise<ArrayBuffer> => {
    onHash();
    return subtle.digest(name, data);
  };
  vi.stubGlobal("process", { ...process, getBuiltinModule: undefined });
  vi.stubGlobal("crypto", { subtle: { digest } });
  vi.resetModules();
  const web: typeof import("./verify.ts") = await import("./verify.ts");
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = file.slice(offset, offset + length);
    given.push(bytes);
    return bytes;
  };
  const artifact = await web.openVerified({ size: file.length, read });
  const name = artifact.plan.map((tensor) => tensor.name).find((it) => artifact.record(it).length > 65_536) ?? "";
  const sealed = await artifact.read(name);
  onHash.mockReset();
  onHash.mockImplementation(() => given.at(-1)?.fill(0));
  const target = new Uint8Array(100);
  await artifact.readRange(name, 0, target);
  expect(onHash).toHaveBeenCalledTimes(1);
  expect(target).toEqual(sealed.subarray(0, 100));
});
