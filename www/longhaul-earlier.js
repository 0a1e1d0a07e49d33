// What is not finished and nobody is at: what an earlier visit to the page began, and what another device left on the server.
import { Kept, isWorthKeeping, keyOf, looksOf, unfinished } from "./longhaul-handles.js";
import { KEPT_MAX, canKeep } from "./longhaul-pick.js";

// How long nobody has sent to an upload before it is offered to whoever has the file, milliseconds: who is at it sends
// sooner. By this machine's clock: where that is wrong by as much, what somebody is just sending is offered too.
const IDLE_MIN_MS = 60 * 1000;
// How long the server may take to say what is open there, milliseconds: nobody waits for it.
const ASKED_FOR_MS = 10 * 1000;

// Asks the page's server for something of its owner's.
export async function ask(page, path, method = "GET") {
  const authorization = await page.authorization();
  const server = new URL(page.settings.endpoint || location.origin, location).href.replace(/\/$/, "");
  const headers = authorization ? { authorization } : {};
  // From a cache it would be old; and Chromium has whatever asks for the same after it wait until it is answered.
  return fetch(server + path, { method, headers, cache: "no-store", signal: AbortSignal.timeout(ASKED_FOR_MS) });
}

// What is open on the server and nobody is at, as `unfinished` tells it, with the upload's `id`. Nothing where it cannot
// be asked: there may be no token yet.
async function onServer(page) {
  const isIdle = ({ lastActivity }) => Date.now() - lastActivity > IDLE_MIN_MS;
  try {
    const { uploads } = await (await ask(page, "/v1/uploads")).json();
    return uploads.filter(isIdle).map(({ id, name, size }) => ({ key: id, id, name: `${name}`, size }));
  } catch {
    return [];
  }
}

// What an earlier visit to the page has not finished, and this one may.
export class Earlier {
  // Loaded when there is something to show.
  #shown;
  // How often it was asked for.
  #shows = 0;
  // What was picked here, which is not to be offered again: its key, and how it looks to the server.
  #picked = new Set();
  #page;

  // `page` has the `settings`; `isShown()`; `place(element)`, which puts it into the page; and
  // what `Unfinished` asks of it.
  constructor(page) {
    this.#page = page;
  }

  // The file has come, to be that entry's.
  keep(entry, file, handle) {
    if (!canKeep || !this.#page.settings.keeps || !isWorthKeeping(file)) return;
    const endpoint = this.#page.settings.endpoint;
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

  // An element that comes into a page asks for it several times over, and one whose attributes are changed anew, of another
  // server say: what was asked for last counts.
  async show() {
    if (!this.#page.isShown()) return;
    this.#shows += 1;
    const turn = this.#shows;
    const keeps = this.#page.settings.keeps;
    const noted = await (canKeep && keeps ? unfinished(this.#page.settings.endpoint) : []);
    if (turn !== this.#shows) return;
    const here = noted.filter(({ isBusy }) => !isBusy);
    // What rests in another tab is not to be given up here.
    const known = new Set(noted.map(looksOf));
    const there = keeps ? await onServer(this.#page) : [];
    const all = [...here, ...there.filter((upload) => !known.has(looksOf(upload)))].slice(0, KEPT_MAX);
    if (turn !== this.#shows) return;
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
