// Downloads files and checks every byte. What is to be done is decided in a worker's wasm; here it is
// started, told what the page wants, and heard.
//
// A page that loads this loads no wasm: a worker does, when its first download begins.

import { startDownload } from "./longhaul-download-start.js";

// One file takes all lanes, so one moves at a time, of all tabs.
const TURN = "longhaul-download";
// States in which another may have its turn.
const RESTS = new Set(["paused", "failed", "done", "cancelled"]);

// What keeps this browser from keeping a download, in words; nothing if nothing is known to.
export async function hindrance() {
  if (!isSecureContext) return "this page did not come by https, and a browser keeps no files for such pages";
  if (!navigator.storage?.getDirectory || !navigator.locks) return "this browser keeps no files for pages";
  try {
    await navigator.storage.getDirectory();
  } catch {
    return "this browser keeps no files for pages here, as in a private window";
  }
  return undefined;
}

// What is kept of a file, in the browser's own storage for this page's site; see `download/storage.rs`.
const FOLDER = "longhaul-downloads";

async function kept() {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER);
}

function idOf(url) {
  return new URL(url, document.baseURI).pathname.split("/").pop();
}

// Whether some of the file at that address was downloaded before.
export async function isBegun(url) {
  try {
    await (await kept()).getFileHandle(`${idOf(url)}.json`);
    return true;
  } catch {
    return false;
  }
}

// Removes what is kept of the file at that address, once it is saved or not wanted.
export async function remove(url) {
  try {
    const folder = await kept();
    await folder.removeEntry(idOf(url));
  } catch {
    // It is gone already, or in use by another tab.
  }
}

export class Downloader extends EventTarget {
  #token;
  #rateMax;
  #lanes;
  #entries = new Map();
  #count = 0;

  // options: `token`, a string or a function that returns one or a promise of one; `rateMax`, bytes a
  // second; `lanes`, how many pieces are fetched at once.
  constructor({ token, rateMax, lanes } = {}) {
    super();
    [this.#token, this.#rateMax, this.#lanes] = [token, rateMax, lanes];
    addEventListener("online", () => this.#entries.forEach((entry) => this.#order(entry, "online")));
  }

  // Begins with a file by its address, or goes on with it, and returns its number. options: `root`, which the
  // file has to have, base64; `handle`, a FileSystemFileHandle of where the user wants it.
  add(url, { root, handle } = {}) {
    this.#count += 1;
    const entry = { id: this.#count, url: new URL(url, document.baseURI).href, root, handle, state: "queued" };
    this.#entries.set(entry.id, entry);
    this.#queue(entry);
    return entry.id;
  }

  pause(id) {
    const entry = this.#entries.get(id);
    if (!entry || RESTS.has(entry.state)) return;
    this.#order(entry, "pause");
    // Its worker has nothing to say to it: there is none, or it waits for its turn or its beginning.
    if (entry.state === "queued") this.#rests(entry, { state: "paused", message: "", retryAt: null });
  }

  resume(id) {
    const entry = this.#entries.get(id);
    if (!entry || ["queued", "done", "cancelled"].includes(entry.state)) return;
    if (RESTS.has(entry.state)) this.#queue(entry);
    else this.#order(entry, "resume");
  }

  // Gives it up, and removes what there is of it.
  cancel(id) {
    const entry = this.#entries.get(id);
    if (!entry || ["done", "cancelled"].includes(entry.state)) return;
    if (!entry.worker) this.#start(entry);
    this.#order(entry, "cancel");
  }

  setRateMax(bytesPerSecond) {
    this.#rateMax = bytesPerSecond;
    this.#entries.forEach((entry) => this.#order(entry, "setRateMax", bytesPerSecond));
  }

  // Turns.

  #queue(entry) {
    entry.waiting = new AbortController();
    this.#tell(entry, "state", { state: "queued", message: "", retryAt: null });
    const turn = () => new Promise((release) => {
      entry.release = release;
      if (entry.worker) this.#order(entry, "resume");
      else this.#start(entry);
    });
    navigator.locks.request(TURN, { signal: entry.waiting.signal }, turn).catch(() => {});
  }

  #rests(entry, detail) {
    entry.waiting?.abort();
    entry.release?.();
    entry.waiting = entry.release = undefined;
    this.#tell(entry, "state", detail);
  }

  // Its worker.

  async #start(entry) {
    const worker = startDownload();
    [entry.worker, entry.orders] = [worker, []];
    worker.onmessage = ({ data: [kind, detail, file] }) => this.#heard(entry, kind, detail, file);
    // It has ended by itself, or never began.
    worker.onerror = (event) => {
      event.preventDefault();
      this.#failed(entry, "worker", event.message || "the worker that downloads does not start or has ended");
    };
    const { url, root, handle } = entry;
    const authorization = await this.#authorization();
    if (entry.worker !== worker) return;
    const options = { url, root, handle, authorization, page: location.href, lanes: this.#lanes, rateMax: this.#rateMax };
    worker.postMessage(["begin", options]);
    for (const order of entry.orders) worker.postMessage(order);
    entry.orders = undefined;
  }

  // What is ordered of a worker that has not been told what it is for waits until it is.
  #order(entry, ...order) {
    if (entry.orders) entry.orders.push(order);
    else entry.worker?.postMessage(order);
  }

  #heard(entry, kind, detail, file) {
    switch (kind) {
      case "state":
        if (RESTS.has(detail.state)) this.#rests(entry, detail);
        else this.#tell(entry, kind, detail);
        break;
      case "renew": this.#renew(entry, detail.ticket); break;
      case "complete": this.#tell(entry, kind, { file: detail, blob: file, isPicked: Boolean(entry.handle) }); break;
      case "unable": this.#failed(entry, "unable", detail); break;
      case "over": this.#end(entry); break;
      default: this.#tell(entry, kind, detail);
    }
  }

  #failed(entry, code, message) {
    this.#end(entry);
    this.#rests(entry, { state: "failed", message, retryAt: null });
    const advice = "Try again, or download it by a plain link.";
    this.#tell(entry, "error", { code, message, advice, problem: null });
  }

  #end(entry) {
    entry.worker?.terminate();
    entry.worker = entry.orders = undefined;
  }

  #tell(entry, kind, detail) {
    if (kind === "state") entry.state = detail.state;
    this.dispatchEvent(new CustomEvent(kind, { detail: { ...detail, id: entry.id } }));
  }

  // Who asks.

  async #authorization() {
    try {
      const token = typeof this.#token === "function" ? await this.#token() : this.#token;
      // Read from a file it has a line end behind it.
      return token ? `Bearer ${token.trim()}` : undefined;
    } catch {
      // Without one the server says that it wants one.
      return undefined;
    }
  }

  async #renew(entry, ticket) {
    const authorization = await this.#authorization();
    entry.worker?.postMessage(["renewed", ticket, authorization]);
  }
}
