// The Node tus server as its readme starts it inside another one, on a free port of an address of this
// machine, with a folder of pages beside it.
//   node tus-server.mjs DIRECTORY [PAGES] [HOST]
import { readFile } from "node:fs/promises";
import http from "node:http";
import { extname, join, normalize } from "node:path";
import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";

const [directory, pages, host = "127.0.0.1"] = process.argv.slice(2);
const tus = new Server({ path: "/files", datastore: new FileStore({ directory }) });
const KINDS = { ".html": "text/html", ".js": "text/javascript" };

const server = http.createServer((request, response) => {
  if (!pages || request.url.startsWith("/files")) return tus.handle(request, response);
  return page(new URL(request.url, "http://host").pathname, response);
});
server.listen({ host, port: 0 }, () => {
  console.log(`listening on http://${host}:${server.address().port}`);
});

async function page(path, response) {
  try {
    const body = await readFile(join(pages, normalize(path)));
    response.writeHead(200, { "content-type": KINDS[extname(path)] ?? "application/octet-stream" });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}
