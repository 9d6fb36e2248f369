"use client";
// In the visitor's browser, where a lazy read is verified as well. (For ranges over HTTP, `openHttpSource` wants a server with
// strong ETags, which Next's own has not.)
import { blobSource } from "@s7l/format";
import { openVerified } from "@s7l/verify";
import { useEffect, useState } from "react";

async function readFirst() {
  const expectedRoot = new URL(location.href).searchParams.get("root");
  const response = await fetch("/model.s7l");
  const artifact = await openVerified(blobSource(await response.blob()), { expectedRoot });
  const { length } = await artifact.read(artifact.plan[0].name);
  return `verified ${length} bytes`;
}

export default function Page() {
  const [verdict, setVerdict] = useState("");
  useEffect(() => {
    readFirst().then(setVerdict, (error) => setVerdict(`refused: ${error.code}`));
  }, []);
  return <pre id="verdict">{verdict}</pre>;
}
