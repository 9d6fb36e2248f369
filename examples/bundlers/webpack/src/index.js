// webpack as it comes. The model lies beside the page; its root is whatever the page was told by someone it trusts.
import { blobSource } from "@s7l/format";
import { verifyOnThreads } from "@s7l/verify/threads";

const response = await fetch("model.s7l");
const expectedRoot = new URL(location.href).searchParams.get("root");
const { ok, root, broken } = await verifyOnThreads(blobSource(await response.blob()), { threads: 2, expectedRoot });
document.querySelector("#verdict").textContent = ok ? `verified ${root}` : `refused: ${broken.code}`;
