// Starts what downloads one file, in a worker beside this script; written as `longhaul-client.js` is.
import { importing, isFromElsewhere } from "./longhaul-elsewhere.js";

const HERE = import.meta.url;

export function startDownload() {
  if (!isFromElsewhere(HERE)) {
    return new Worker(new URL("./longhaul-download-worker.js", import.meta.url), { type: "module", name: "longhaul-download" });
  }
  return new Worker(importing("longhaul-download-worker.js", HERE), { type: "module", name: "longhaul-download" });
}
