// The client on a page, with its wasm and its worker's script in its own text: nothing is fetched.
import init, { Uploader as Bare } from "./longhaul.js";
import { scriptOf } from "./longhaul-elsewhere.js";
import { LANE, WASM } from "./inlined-client.js";

export async function load() {
  await init({ module_or_path: Uint8Array.from(atob(WASM), (byte) => byte.charCodeAt(0)) });
}

export class Uploader extends Bare {
  constructor(options) {
    super({ startLane, ...options });
  }
}

// One address for all of them: each would keep its text for as long as the page lives.
let lane;

function startLane() {
  return new Worker(lane ??= scriptOf(LANE), { type: "module", name: "longhaul-lane" });
}
