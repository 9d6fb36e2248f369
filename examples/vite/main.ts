import { blobSource } from "@s7l/format";
import { openHttpSource, openOpfsCache, openVerified, type Verification, verify } from "@s7l/verify";

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const show = (text: string): void => {
  element("verdict").textContent = text;
};

/** A file of the visitor's: every byte, never leaving the machine. */
element<HTMLInputElement>("file").addEventListener("change", async ({ currentTarget }) => {
  const [file] = (currentTarget as HTMLInputElement).files ?? [];
  if (file) show(describe(await verify(blobSource(file))));
});

/** An artifact on a server, pinned: one expert of it, its chunks kept for the next visit. */
element<HTMLFormElement>("remote").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const source = await openHttpSource(element<HTMLInputElement>("address").value);
    const expectedRoot = element<HTMLInputElement>("root").value;
    const artifact = await openVerified(source, { expectedRoot, cache: await openOpfsCache() });
    for (const { name, component } of artifact.plan) if (component === "expert0") await artifact.read(name);
    const { chunks, total } = artifact.coverage();
    show(`expert 0 of ${artifact.meta.name} is genuine: ${chunks} of ${total} chunks read and verified`);
  } catch (error) {
    show(String(error));
  }
});

function describe({ ok, root, rules }: Verification): string {
  const lines = rules.map((rule) => `${rule.id} ${rule.ok ? "holds" : `${rule.code}: ${rule.message}`}`);
  return [ok ? `verified, root ${root}` : "REFUSED", ...lines].join("\n");
}
