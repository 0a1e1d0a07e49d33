// The demo page: <longhaul-upload> and its map, what the server has, and a network that can be broken.
import "./longhaul-upload.js";
import "./longhaul-download.js";
import "./longhaul-map.js";
import "./longhaul-words.js";
import { Files } from "./demo-files.js";
import { startLanguage } from "./demo-language.js";
import { startNetwork } from "./demo-network.js";

// Where the server is: the page's own, or `?server=`, which `trunk serve` needs; and where its network is broken, which
// `cargo xtask demo` writes into the page. Only on this machine: a link to a public page must not be able to send its
// visitors' files elsewhere.
const onThisMachine = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
const given = new URLSearchParams(onThisMachine ? location.search : "");
const server = given.get("server") ?? "";
const network = given.get("network") ?? document.querySelector("[name=longhaul-network]").content;
const api = new URL("v1/", new URL(server.replace(/\/*$/, "/"), location.href));

// How many random bytes a browser makes up at once.
const RANDOM_BYTES_MAX = 65_536;

const uploader = document.querySelector("longhaul-upload");
startLanguage();
if (server) uploader.setAttribute("endpoint", server);
new Files(api, uploader, server ? "" : "demo-elsewhere");
if (network) startNetwork(network, uploader);
document.getElementById("sample").addEventListener("click", ({ target }) => uploader.addFiles([sample(target.dataset.n)]));

// What is taken by whoever has no large file at hand.
function sample(megabytes) {
  const bytes = new Uint8Array(megabytes * 1_000_000);
  for (let at = 0; at < bytes.length; at += RANDOM_BYTES_MAX) {
    crypto.getRandomValues(bytes.subarray(at, at + RANDOM_BYTES_MAX));
  }
  return new File([bytes], `longhaul-${Date.now()}.bin`);
}
