// The client on a page: its wasm, and what starts its workers. Where those are is written as bundlers look for
// it: `new URL("…", import.meta.url)`, and around it `new Worker(…)`.
import init, { Uploader as Bare } from "./longhaul.js";
import { importing, isFromElsewhere } from "./longhaul-elsewhere.js";

const HERE = import.meta.url;

// Loads the wasm, once however often it is asked for; again after it did not come.
export async function load() {
  await init();
}

export class Uploader extends Bare {
  // As `UploaderOptions` in longhaul.d.ts says. Before `load()` is through there is nothing to make it of.
  constructor(options) {
    super({ startLane, ...options });
  }
}

function startLane() {
  if (!isFromElsewhere(HERE)) {
    return new Worker(new URL("./longhaul-lane.js", import.meta.url), { type: "module", name: "longhaul-lane" });
  }
  return new Worker(importing("longhaul-lane.js", HERE), { type: "module", name: "longhaul-lane" });
}
