import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";

/** One request for a range, as the server understood it; it may answer itself and return true. */
export interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly first: number;
  readonly last: number;
  /** Counted from 0 over the server's life. */
  readonly index: number;
}

export type Fault = (asked: Asked, bytes: Uint8Array, reply: Reply) => void;
/** Answers 206 with a range, headers and body of one's choice. */
export type Reply = (headers?: Readonly<Record<string, string>>, body?: Uint8Array) => void;

export interface FileServer {
  readonly url: string;
  /** Ranges asked for so far. */
  readonly asked: readonly Asked[];
  close(): Promise<void>;
}

/** A plain static file server on the loopback address. With `fault`, what a broken or hostile one does instead. */
export async function serveFile(bytes: Uint8Array, fault?: Fault): Promise<FileServer> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const first = Number(from);
    const last = Math.min(to === "" ? bytes.length - 1 : Number(to), bytes.length - 1);
    const one: Asked = { request, response, first, last, index: asked.length };
    asked.push(one);
    if (first >= bytes.length) {
      response.writeHead(416, { "content-range": `bytes */${bytes.length}` }).end();
      return;
    }
    const reply: Reply = (headers = {}, body = bytes.subarray(first, last + 1)) => {
      const usual = {
        "content-range": `bytes ${first}-${last}/${bytes.length}`,
        "content-length": String(body.length),
        etag: '"one"',
      };
      response.writeHead(206, { ...usual, ...headers }).end(body);
    };
    if (fault) fault(one, bytes, reply);
    else reply();
  });
  return { url: `${await listen(server)}/model.s7l`, asked, close: () => closeServer(server) };
}

/** A server that only sends visitors elsewhere. */
export async function serveRedirect(to: string): Promise<FileServer> {
  const server = createServer((_, response) => response.writeHead(302, { location: to }).end());
  return { url: `${await listen(server)}/model.s7l`, asked: [], close: () => closeServer(server) };
}

/** A range's bytes, compressed. */
export const gzipped = (bytes: Uint8Array): Uint8Array => gzipSync(bytes);

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return `http://127.0.0.1:${address.port}`;
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
