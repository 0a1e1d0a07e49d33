// Files whose upload is not over, in IndexedDB: after a reload they are offered again. Where the browser gives
// handles (File System Access, https://wicg.github.io/file-system-access/: Chromium only) one click goes on with
// them; elsewhere it asks for the file, and what is uploaded by then is found. A file itself is never put there:
// WebKitGTK would wait for ever.
import { KEPT_MAX } from "./longhaul-pick.js";

// Smaller ones, bytes, go in one request and are there before anybody could reload.
const SIZE_MIN = 256 * 1024;
// As long as a server tells who comes back that an upload expired, milliseconds.
const KEPT_FOR_MS = 14 * 24 * 3600 * 1000;
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
    if (now - kept.at > KEPT_FOR_MS) forget(kept.key);
    else if (JSON.parse(kept.key)[0] === server) left.push({ ...kept, isBusy: busy.has(LOCK_PREFIX + kept.key) });
  }
  return left.sort((one, other) => other.at - one.at);
}

export function forget(key) {
  return change((store) => store.delete(key));
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
