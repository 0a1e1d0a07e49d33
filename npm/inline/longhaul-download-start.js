// Starts what downloads one file, in a worker whose script has its wasm in its own text: nothing is fetched.
import { scriptOf } from "./longhaul-elsewhere.js";
import { WORKER } from "./inlined-download.js";

let script;

export function startDownload() {
  return new Worker(script ??= scriptOf(WORKER), { type: "module", name: "longhaul-download" });
}
