// A network that can be broken on purpose: what stands between the page and its server (`longhaul-proxy`) is told so
// over a connection of its own.
import { say, whenSpoken, words } from "./demo-language.js";
import { put } from "./longhaul-dom.js";

// How often it is asked how the network is while that may change, milliseconds.
const LOOK_MS = 500;
// Where a file stands that needs no network.
const RESTS = new Set(["queued", "elsewhere", "paused", "cancelling", "done", "failed", "cancelled"]);

const panel = document.getElementById("network");
const find = (id) => document.getElementById(id);

// `control` is where it is told.
export function startNetwork(control, uploader) {
  const network = new Network(new URL("network", control), uploader);
  find("cut").addEventListener("click", () => network.order({ cut: true }, "demo-is-cut"));
  find("offline").addEventListener("click", () => network.order({ offlineSeconds: Number(find("offline").dataset.n) }, "demo-is-offline"));
  find("speed").addEventListener("change", ({ target }) => network.order({ speed: target.value }, "demo-is-other"));
  find("loses").addEventListener("change", ({ target }) => network.order({ loses: target.checked }));
  panel.hidden = false;
  whenSpoken(() => network.speak());
  network.look();
}

class Network {
  #url;
  #said = "";
  #offlineMs = 0;
  #broken = 0;
  // By the number of each file that moves: how much of it the server has acknowledged.
  #moving = new Map();
  // When it was broken, if nothing has gone on since.
  #cut;
  #againMs;

  constructor(url, uploader) {
    this.#url = url;
    uploader.addEventListener("longhaul-state", ({ detail }) => this.#stood(detail));
    uploader.addEventListener("longhaul-progress", ({ detail }) => this.#moved(detail));
    setInterval(() => (this.#moving.size || this.#offlineMs) && !document.hidden && this.look(), LOOK_MS);
  }

  // Does it, and says so.
  async order(order, said = "") {
    const at = performance.now();
    const body = JSON.stringify(order);
    await this.#ask({ method: "POST", headers: { "content-type": "application/json" }, body });
    if (this.#said !== "demo-is-gone") this.#said = said;
    if (said) [this.#cut, this.#againMs] = [this.#moving.size ? at : undefined, undefined];
    this.speak();
  }

  async look() {
    const wasOffline = this.#offlineMs > 0;
    await this.#ask();
    if (wasOffline && !this.#offlineMs && this.#said === "demo-is-offline") this.#said = "demo-is-back";
    this.speak();
  }

  async #ask(options) {
    try {
      const answer = await fetch(this.#url, options);
      if (!answer.ok) throw new Error(await answer.text());
      this.#stands(await answer.json());
    } catch {
      this.#said = "demo-is-gone";
    }
  }

  #stands({ speed, loses, offlineMs, broken }) {
    if (this.#said === "demo-is-gone") this.#said = "";
    [this.#offlineMs, this.#broken] = [offlineMs, broken];
    panel.querySelector(`[value=${speed}]`).checked = true;
    find("loses").checked = loses;
  }

  #stood({ id, state }) {
    if (RESTS.has(state)) this.#moving.delete(id);
    else this.#moving.set(id, this.#moving.get(id) ?? 0);
  }

  // More than before is acknowledged: it goes on.
  #moved({ id, acknowledged }) {
    const before = this.#moving.get(id) ?? 0;
    if (this.#moving.has(id)) this.#moving.set(id, acknowledged);
    if (this.#cut === undefined || acknowledged <= before) return;
    this.#againMs = performance.now() - this.#cut;
    this.#cut = undefined;
    this.speak();
  }

  speak() {
    put(find("network-state"), this.#said && say(this.#said));
    put(find("broken"), words().count(this.#broken));
    find("again-row").hidden = this.#againMs === undefined;
    if (this.#againMs !== undefined) put(find("again"), seconds(this.#againMs));
    // The seconds are seen, and not read out one by one.
    const left = this.#offlineMs && seconds(Math.ceil(this.#offlineMs / 1000) * 1000);
    const offline = say("demo-offline", find("offline").dataset);
    put(find("offline"), left ? `${offline} · ${left}` : offline);
  }
}

function seconds(ms) {
  const options = { style: "unit", unit: "second", unitDisplay: "narrow", maximumFractionDigits: ms < 10_000 ? 1 : 0 };
  return new Intl.NumberFormat(document.documentElement.lang, options).format(ms / 1000);
}
