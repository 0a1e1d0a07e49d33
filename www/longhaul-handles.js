// Files whose upload is not over, in IndexedDB and on the server: after a reload they are offered again. Where the browser gives
// handles (File System Access, https://wicg.github.io/file-system-access/: Chromium only) one click goes on with
// them; elsewhere it asks for the file, and what is uploaded by then is found. A file itself is never put there:
// WebKitGTK would wait for ever.

// Whether anything can be kept.
export const canKeep = typeof indexedDB === "object" && "locks" in (globalThis.navigator ?? {});

// Whether this browser lets a page ask again for a file that was picked before.
export const canAsk = canKeep && typeof showOpenFilePicker === "function"
  && "requestPermission" in (globalThis.FileSystemFileHandle?.prototype ?? {});

// How many are kept at once: a person resumes a few large files by name, not thousands.
export const KEPT_MAX = 100;
// Files that go in one request are there before anybody could reload.
const SIZE_MIN = 256 * 1024;
// As long as a server tells who comes back that an upload expired, milliseconds.
const KEPT_FOR = 14 * 24 * 3600 * 1000;
// How long nobody has sent to an upload before it is offered to whoever has the file, milliseconds: who is at it sends
// sooner. By this machine's clock: where that is wrong by as much, what somebody is just sending is offered too.
const IDLE_MIN = 60 * 1000;
// How long the server may take to say what is open there, milliseconds: nobody waits for it.
const ASKED_FOR = 10 * 1000;
const LOCK_PREFIX = "longhaul-file:";
// Who remembers a file: two that look the same may be uploaded at once.
const keepers = new Map();

// What makes a file that is picked again the same, in one tab or another.
export function keyOf(endpoint, { name, size, lastModified }) {
  return JSON.stringify([new URL(endpoint, location).href, name, size, lastModified]);
}

export function looksOf({ name, size }) {
  return `${size} ${name}`;
}

// Remembers a file while it is uploaded, and that this tab does. `forget()` when that is over; a tab that
// is closed leaves it to the next.
export class Kept {
  key;
  #release;
  #written;

  // `handle` is a promise of the file's handle, or of none.
  constructor(endpoint, file, handle) {
    this.key = keyOf(endpoint, file);
    keepers.set(this.key, (keepers.get(this.key) ?? new Set()).add(this));
    const until = new Promise((resolve) => { this.#release = resolve; });
    navigator.locks.request(LOCK_PREFIX + this.key, () => until).catch(() => {});
    this.#written = this.#write(file, handle);
  }

  async #write({ name, size }, handle) {
    const found = await handle.catch(() => {});
    const kept = { key: this.key, name, size, at: Date.now() };
    // Some handles cannot be kept: those of folders are of no use, those of a page's own making are refused.
    const withHandle = found?.kind === "file" && await change((store) => store.put({ ...kept, handle: found }));
    if (!withHandle) await change((store) => store.put(kept));
  }

  // This tab is no longer about it.
  release() {
    this.#release();
    keepers.get(this.key)?.delete(this);
  }

  async forget() {
    this.release();
    // A write that is late must not come after.
    await this.#written;
    if (keepers.get(this.key)?.size) return;
    keepers.delete(this.key);
    await forget(this.key);
  }
}

// Whether it is worth remembering, and there is room.
export function isWorthKeeping(file) {
  return file.size > SIZE_MIN && keepers.size < KEPT_MAX;
}

// What was not finished with that server: `{ key, handle, name, size, at, isBusy }`, newest first; without `handle` if the
// browser gave none, and busy if a tab is about it.
export async function unfinished(endpoint) {
  const all = await change((store) => store.getAll()) ?? [];
  const { held = [], pending = [] } = await navigator.locks.query().catch(() => ({}));
  const busy = new Set([...held, ...pending].map(({ name }) => name));
  const [server] = JSON.parse(keyOf(endpoint, {}));
  const [now, left] = [Date.now(), []];
  for (const kept of all) {
    if (now - kept.at > KEPT_FOR) forget(kept.key);
    else if (JSON.parse(kept.key)[0] === server) left.push({ ...kept, isBusy: busy.has(LOCK_PREFIX + kept.key) });
  }
  return left.sort((one, other) => other.at - one.at);
}

// Asks the page's server for something of its owner's.
export async function ask(page, path, method = "GET") {
  const authorization = await page.authorization();
  const server = new URL(page.endpoint() || location.origin, location).href.replace(/\/$/, "");
  const headers = authorization ? { authorization } : {};
  // From a cache it would be old; and Chromium has whatever asks for the same after it wait until it is answered.
  return fetch(server + path, { method, headers, cache: "no-store", signal: AbortSignal.timeout(ASKED_FOR) });
}

// What is open on the server and nobody is at, as `unfinished` tells it, with the upload's `id`. Nothing where it cannot
// be asked: there may be no token yet.
async function onServer(page) {
  const list = async () => (await ask(page, "/v1/uploads")).json();
  const { uploads = [] } = await list().catch(() => ({}));
  const isIdle = ({ lastActivity }) => Date.now() - lastActivity > IDLE_MIN;
  return uploads.filter(isIdle).map(({ id, name, size }) => ({ key: id, id, name, size }));
}

export function forget(key) {
  return change((store) => store.delete(key));
}

// The file, once who sits there has allowed it; within a click. Nothing if he has not.
export async function fileOf({ handle }) {
  const granted = await handle.requestPermission({ mode: "read" });
  return granted === "granted" ? handle.getFile() : undefined;
}

// Nothing here fails: it costs a pick that would not have been needed.
async function change(act) {
  try {
    const database = await opened();
    const { result } = await done(act(database.transaction("files", "readwrite").objectStore("files")));
    database.close();
    return result;
  } catch {
    return undefined;
  }
}

function opened() {
  const request = indexedDB.open("longhaul", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("files", { keyPath: "key" });
  return done(request).then(() => request.result);
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request);
    request.onerror = request.onblocked = () => reject(request.error);
  });
}

// What an earlier visit to the page has not finished, and this one may.
export class Earlier {
  // Loaded when there is something to show.
  #shown;
  // What was picked here, which is not to be offered again: its key, and how it looks to the server.
  #picked = new Set();
  #page;

  // `page` has `keeps()`, whether anything may be kept; `isShown()`; `place(element)`, which puts it into the page; and
  // what `Unfinished` asks of it.
  constructor(page) {
    this.#page = page;
  }

  // The file has come, to be that entry's.
  keep(entry, file, handle) {
    if (!canKeep || !this.#page.keeps() || !isWorthKeeping(file)) return;
    const endpoint = this.#page.endpoint();
    const key = keyOf(endpoint, file);
    for (const known of [key, looksOf(file)]) {
      this.#picked.add(known);
      this.#shown?.remove(known);
    }
    // It was picked before, and rested.
    entry.kept?.release();
    entry.kept = new Kept(endpoint, file, handle());
    if (entry.isOver) entry.kept.forget();
  }

  async show() {
    if (!this.#page.isShown()) return;
    const keeps = this.#page.keeps();
    const noted = canKeep && keeps ? await unfinished(this.#page.endpoint()) : [];
    const here = noted.filter(({ isBusy }) => !isBusy);
    // What rests in another tab is not to be given up here.
    const known = new Set(noted.map(looksOf));
    const there = keeps ? await onServer(this.#page) : [];
    const all = [...here, ...there.filter((upload) => !known.has(looksOf(upload)))].slice(0, KEPT_MAX);
    if (all.length) await this.#load();
    // Some may have been picked meanwhile.
    this.#shown?.show(all.filter((kept) => ![kept.key, looksOf(kept)].some((it) => this.#picked.has(it))));
  }

  // Where its script does not come it is as if nothing had been kept.
  async #load() {
    const { Unfinished } = await import("./longhaul-unfinished.js").catch(() => ({}));
    if (!Unfinished || this.#shown) return;
    this.#shown = new Unfinished(this.#page);
    this.#page.place(this.#shown.element);
  }
}
