// One download's worker: the first message says which, the others what its page wants of it.
import init, { Download } from "./longhaul-fetch.js";

const tell = (...told) => self.postMessage(told);
// What is missing is said here: a method that is not there ends a wasm.
const { prototype } = self.FileSystemFileHandle ?? {};
const isAble = prototype && "createSyncAccessHandle" in prototype && "createWritable" in prototype;
let download;

self.onmessage = async ({ data: [what, ...rest] }) => {
  if (what === "begin") download = begin(...rest);
  else (await download)?.[what](...rest);
};
// After a trap inside the wasm nothing in here can be relied on: the page starts another worker.
self.addEventListener("unhandledrejection", ({ reason }) => setTimeout(() => { throw reason; }));

async function begin(options) {
  if (!isAble) return tell("unable", "this browser keeps no files for pages that can be written in place");
  await init();
  try {
    return await Download.begin(options, tell);
  } catch (error) {
    return tell("unable", error?.message ?? String(error));
  }
}
