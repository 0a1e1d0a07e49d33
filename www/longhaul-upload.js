// <longhaul-upload>: attributes in, events out. What is to be done with a file is decided in the
// wasm; here it is only shown.
//
// Attributes
//   endpoint        the server's address; the page's own server if left out. Counts until the first pick.
//   multiple        more than one file may be picked, and folders dropped
//   directory       there is a button to choose a folder too; implies `multiple`
//   accept          as on <input type="file">
//   files-at-once   how many files move at once, from 1 to 5; 1 if left out. Of files of at most 256 KiB
//                   five do, whatever it says. Changes while nothing is shown.
//   rate-max        what all uploads of the page together may send, bytes a second, at least 65536; as
//                   much as the network takes if left out. Can be changed at any time.
//   verify-source   reads every file once more before it is sealed: only so a change while it was being
//                   read is noticed in Firefox. Changes while nothing is shown.
//   log-level       how much is written to the console, of all uploads of the page: `silent`, `error`,
//                   `warn`, `info` or `debug`; `warn` if left out. Changes while nothing is shown.
//   leave-quietly   nobody is asked whether to leave the page while files move
//   forget-files    nothing is kept by which the page could ask for a file again after a reload (Chromium,
//                   where `accept` is not set: a handle in IndexedDB until the file's upload is over)
//
// Properties and methods
//   token           who uploads: a token, or a function that returns one or a promise of one. Counts
//                   while nothing is shown.
//   authorization() a promise of the value of `Authorization` that requests carry, for the page's own
//                   requests to the same server; `undefined` where they carry none
//   addFiles(files) takes in files from elsewhere: any iterable, also an async one, of File or
//                   { file, path }, with `path` where it lies in its folder, its name included. A promise
//                   that all are in the list.
//   pauseAll()  resumeAll()
//
// Events, all bubbling and composed; `detail` is described in longhaul.d.ts
//   longhaul-state  longhaul-progress  longhaul-complete  longhaul-error  longhaul-total
//   longhaul-directory   an empty folder was dropped, which has nothing to upload: { path }
import { count } from "./format.js";
import { Uploader, load } from "./longhaul-client.js";
import { Base, define, isPage, template } from "./longhaul-dom.js";
import { Kept, canKeep, fileOf, forget, isLong, keyOf, unfinished } from "./longhaul-handles.js";
import { List } from "./longhaul-list.js";
import { Picker } from "./longhaul-pick.js";
import { Polite } from "./longhaul-polite.js";
import { Entry, makeRow, showRow } from "./longhaul-row.js";
import { STYLE } from "./longhaul-style.js";
import { inSlices, leftOut } from "./longhaul-take.js";
import { TotalBar, files as filesDone } from "./longhaul-total.js";
import { UnfinishedList } from "./longhaul-unfinished.js";

// Begun when the script is loaded, not when a file is picked: the first chunk is to leave at once.
const ready = isPage ? load() : new Promise(() => {});
// Who picks a file is told; before that nobody has to know.
ready.catch(() => {});

const FRAME = template(`
<div part="drop">
  <strong id="prompt"></strong>
  <span id="hint"></span>
  <input type="file" aria-labelledby="prompt" aria-describedby="hint" title="">
  <button type="button" part="choose-folder" hidden>Choose a folder</button>
</div>
<input id="folder" type="file" webkitdirectory multiple hidden>
<p part="notice" role="alert"></p>
<div class="scroller" role="group" aria-label="Uploads" hidden><ul part="list" role="list"></ul></div>
<div class="quiet" aria-live="polite"></div>`);

const ABOUT_TO_PICK = ["pointerenter", "focusin", "click", "dragenter"];
const LEVELS = ["silent", "error", "warn", "info", "debug"];
const NOTHING = { files: 0, done: 0, failed: 0, moving: 0, held: false, total: 0, acknowledged: 0, inFlight: 0 };

export class LonghaulUpload extends Base {
  static observedAttributes = [
    "multiple", "directory", "accept", "endpoint", "files-at-once", "forget-files", "log-level", "rate-max", "verify-source",
  ];
  #root = this.attachShadow({ mode: "open" });
  // By the upload's number.
  #entries = new Map();
  // Of these: those that are not over, and those that wait for their next try.
  #open = new Set();
  #waiting = new Set();
  #total = NOTHING;
  #polite = new Polite(() => !this.hasAttribute("leave-quietly"));
  #list;
  #bar = new TotalBar((action) => this.#actOnAll(action));
  #unfinished = new UnfinishedList((action, kept) => this.#actOnUnfinished(action, kept));
  #picker;
  #uploader;
  #countdown;
  #token;

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [STYLE];
    this.#root.append(FRAME.content.cloneNode(true));
    const scroller = this.#root.querySelector(".scroller");
    scroller.before(this.#unfinished.element, this.#bar.element);
    const act = (action, entry) => this.#act(action, entry);
    this.#list = new List(scroller, this.#part("list"), (entry) => makeRow(entry, act), showRow);
    const drop = this.#part("drop");
    const parts = { input: this.#input, folder: this.#folder, button: this.#part("choose-folder"), drop };
    this.#picker = new Picker(parts, {
      many: () => this.#many,
      keeps: () => this.#keeps,
      take: (files, notice) => this.#take(files, notice),
    });
    // Somebody is about to pick, which takes longer than starting all the workers there can be.
    for (const type of ABOUT_TO_PICK) drop.addEventListener(type, () => this.#prepare(Infinity));
    // Given before this class was there, it hides the property of that name.
    if (Object.hasOwn(this, "token")) {
      const { token } = this;
      delete this.token;
      this.token = token;
    }
    this.attributeChangedCallback();
  }

  disconnectedCallback() {
    clearInterval(this.#countdown);
    this.#countdown = undefined;
    // Moving an element takes it out and puts it back in at once.
    queueMicrotask(() => this.#leave());
  }

  connectedCallback() {
    this.#count();
    this.#prepare();
    this.#showUnfinished();
  }

  attributeChangedCallback(name) {
    if (["endpoint", "files-at-once", "log-level", "verify-source"].includes(name)) this.#startAnew();
    if (this.isConnected && ["endpoint", "forget-files"].includes(name)) this.#showUnfinished();
    if (name === "rate-max") this.#uploader?.setRateMax(this.#rateMax);
    const many = this.#many;
    this.#input.multiple = many;
    this.#input.accept = this.getAttribute("accept") ?? "";
    this.#part("choose-folder").hidden = !(this.hasAttribute("directory") && "webkitdirectory" in this.#folder);
    this.#root.getElementById("prompt").textContent = many ? "Choose files" : "Choose a file";
    this.#root.getElementById("hint").textContent = many ? "or drop them here, folders too" : "or drop it here";
  }

  get token() {
    return this.#token;
  }

  set token(token) {
    this.#token = token;
    this.#startAnew();
  }

  async authorization() {
    await ready;
    this.#uploader ??= this.#start();
    return this.#uploader.authorization();
  }

  addFiles(files) {
    return this.#take(files);
  }

  pauseAll() {
    this.#uploader?.pauseAll();
  }

  resumeAll() {
    this.#uploader?.resumeAll();
  }

  get #rateMax() {
    const given = this.getAttribute("rate-max");
    const rate = Number(given);
    if (given && !(rate > 0)) console.error(`longhaul-upload: rate-max="${given}" is not a number of bytes a second; nothing is limited`);
    return rate > 0 ? rate : undefined;
  }

  get #many() {
    return this.hasAttribute("multiple") || this.hasAttribute("directory");
  }

  get #input() {
    return this.#root.querySelector("input");
  }

  get #folder() {
    return this.#root.getElementById("folder");
  }

  #part(name) {
    return this.#root.querySelector(`[part=${name}]`);
  }

  // Taking files in.

  async #take(files, notice) {
    const taken = { files: 0, left: [], empty: [], unreadable: [] };
    this.#notify(notice || "");
    try {
      await ready;
    } catch (error) {
      return this.#notify(`The uploader could not be loaded (${error.message ?? error}). Reload the page; if that does not help, its files are incomplete on the server.`);
    }
    try {
      this.#uploader ??= this.#start();
    } catch (error) {
      return this.#notify(`The uploader could not be started: ${error.message ?? error}.`);
    }
    await inSlices(files, (found) => this.#takeOne(found, taken));
    const words = leftOut(taken);
    // That a folder is empty is nothing gone wrong.
    if (words) this.#notify(words, !taken.left.length && !taken.unreadable.length);
  }

  #takeOne(found, taken) {
    if (found.directory !== undefined) {
      taken.empty.push(found.directory);
      return this.#tell("directory", { path: found.directory });
    }
    if (found.unreadable !== undefined) return taken.unreadable.push(found.unreadable);
    const { file, path } = found instanceof File ? { file: found } : found;
    if (taken.files && !this.#many) return taken.left.push(file.name);
    taken.files += 1;
    taken.first ??= file.name;
    return this.#add(file, path);
  }

  // Before anybody picks a file, so that its first chunk leaves at once.
  async #prepare(lanes) {
    try {
      await ready;
      if (!this.isConnected) return;
      this.#uploader ??= this.#start();
      this.#uploader.prepare(lanes);
    } catch {
      // Who picks a file is told.
    }
  }

  // An element that was taken out goes on with what it has begun; then it gives back what it took.
  #leave() {
    if (this.isConnected || this.#open.size) return;
    this.#polite.moves = false;
    this.#uploader?.free();
    this.#uploader = undefined;
  }

  #startAnew() {
    if (!this.#uploader || this.#entries.size) return;
    this.#uploader.free();
    this.#uploader = undefined;
    this.#total = NOTHING;
    if (this.isConnected) this.#prepare();
  }

  #start() {
    const uploader = new Uploader({
      endpoint: this.#endpoint,
      token: this.#token,
      filesAtOnce: Math.round(this.getAttribute("files-at-once")) || undefined,
      rateMax: this.#rateMax,
      verifySource: this.hasAttribute("verify-source"),
      logLevel: LEVELS.find((level) => level === this.getAttribute("log-level")),
    });
    const come = {
      state: (detail) => this.#cameState(detail),
      progress: (detail) => this.#cameProgress(detail),
      complete: (detail) => this.#cameLink(detail),
      error: (detail) => this.#cameError(detail),
      total: (detail) => this.#cameTotal(detail),
    };
    for (const type of Object.keys(come)) {
      uploader.addEventListener(type, ({ detail }) => {
        come[type](detail);
        this.#tell(type, detail);
      });
    }
    return uploader;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(`longhaul-${type}`, { detail, bubbles: true, composed: true }));
  }

  #add(file, path) {
    const entry = this.#entry({ id: this.#uploader.add(file, undefined, path), name: file.name });
    const whole = path ?? file.webkitRelativePath ?? "";
    entry.path = whole.slice(0, whole.lastIndexOf("/") + 1);
    entry.size = file.size;
    this.#list.changed(entry);
    this.#keep(entry, file);
  }

  // What an earlier visit has not finished, and this one may.

  get #keeps() {
    return canKeep && !this.hasAttribute("forget-files");
  }

  get #endpoint() {
    return this.getAttribute("endpoint") ?? "";
  }

  #keep(entry, file) {
    if (!this.#keeps || !isLong(file)) return;
    this.#unfinished.remove(keyOf(this.#endpoint, file));
    // It was picked before, and rested.
    entry.kept?.release();
    entry.kept = new Kept(this.#endpoint, file, this.#picker.handleOf(file));
    if (entry.isOver) entry.kept.forget();
  }

  async #showUnfinished() {
    const all = this.#keeps ? await unfinished(this.#endpoint) : [];
    // Some may have been picked meanwhile.
    const open = new Set([...this.#open].map(({ kept }) => kept?.key));
    this.#unfinished.show(all.filter(({ key }) => !open.has(key)));
  }

  async #actOnUnfinished(action, all) {
    for (const kept of all) {
      if (action === "resume" && !await this.#resumeUnfinished(kept)) return;
      this.#unfinished.remove(kept.key);
      if (action === "forget") await forget(kept.key);
    }
  }

  // Whether it was allowed, or there is nothing left to allow.
  async #resumeUnfinished(kept) {
    try {
      const file = await fileOf(kept);
      if (!file) {
        this.#notify(`The browser was not allowed to read ${kept.name}. Resume it again and allow it, or choose the file.`);
        return false;
      }
      this.#picker.opened(file, kept.handle);
      await this.#take([file]);
      // It may be another by now, whose upload is another.
      if (keyOf(this.#endpoint, file) !== kept.key) await forget(kept.key);
    } catch (error) {
      if (error.name !== "NotFoundError") {
        this.#notify(`The browser could not open ${kept.name} (${error.message}). Choose the file, and what was uploaded is found.`);
        return false;
      }
      await forget(kept.key);
      this.#notify(`${kept.name} is no longer where it was. Choose it where it is now, and what was uploaded is found.`);
    }
    return true;
  }

  #notify(text, isMild = false) {
    this.#part("notice").classList.toggle("mild", isMild);
    this.#part("notice").textContent = text;
  }

  // What comes of them.

  // The first event of an upload comes while its file is still being added.
  #entry({ id, name }) {
    return this.#entries.get(id) ?? this.#newEntry(id, name);
  }

  #newEntry(id, name) {
    const entry = new Entry(id, () => this.#total.held);
    entry.name = name;
    this.#entries.set(id, entry);
    this.#open.add(entry);
    this.#list.add(entry);
    this.#showTotal();
    return entry;
  }

  #cameState(detail) {
    const entry = this.#entry(detail);
    entry.came(detail);
    if (entry.isOver) {
      this.#open.delete(entry);
      entry.kept?.forget();
      queueMicrotask(() => this.#leave());
    } else {
      this.#open.add(entry);
    }
    if (detail.retryAt) this.#waiting.add(entry);
    else this.#waiting.delete(entry);
    this.#list.changed(entry);
    // Of many only what needs a person is said one by one.
    if (this.#list.isWhole || detail.state === "failed") this.#say(`${entry.path}${entry.name}: ${entry.words}`);
    this.#count();
  }

  #cameProgress(detail) {
    const entry = this.#entry(detail);
    entry.progress = detail;
    entry.size = detail.total;
    this.#list.changed(entry);
  }

  // A link cannot carry a token; where one is needed the page has to fetch.
  async #cameLink(detail) {
    const entry = this.#entry(detail);
    const authorization = this.#uploader?.authorization();
    // A page whose function has no token now had one when it uploaded.
    if (await authorization?.catch(() => true)) return;
    entry.link = { url: detail.url, name: detail.file.name };
    this.#list.changed(entry);
  }

  #cameError(detail) {
    const entry = this.#entry(detail);
    entry.failed(detail);
    this.#list.changed(entry);
  }

  #cameTotal(total) {
    const [moved, wasHeld] = [this.#total.moving > 0, this.#total.held];
    this.#total = total;
    this.#polite.moves = total.moving > 0;
    if (wasHeld !== total.held) this.#list.allChanged();
    if (moved && !total.moving && !this.#list.isWhole) this.#say(filesDone(total));
    this.#showTotal();
  }

  // Doing something.

  #act(action, entry) {
    if (action !== "clear") return this.#uploader[action](entry.id);
    this.#clear((other) => other === entry);
    return this.#input.focus();
  }

  #actOnAll(action) {
    const failed = () => [...this.#open].filter((entry) => entry.state === "failed");
    switch (action) {
      case "pause-all": return this.pauseAll();
      case "resume-all": return this.resumeAll();
      case "retry-all": return inSlices(failed(), ({ id }) => this.#uploader.resume(id));
      case "show-failed": return this.#list.focus(this.#nextOf(failed()), "resume");
      case "clear-all": return this.#clear((entry) => entry.isOver);
      default: return this.#cancelAll();
    }
  }

  #cancelAll() {
    const open = [...this.#open].reverse();
    if (!confirm(`Give up ${count(open.length)} files that are not finished?`)) return undefined;
    // Those that wait go first, so that none of them begins meanwhile.
    return inSlices(open, ({ id }) => this.#uploader.cancel(id));
  }

  // The first behind the one that was shown last.
  #nextOf(entries) {
    this.#shownLast = entries.find(({ id }) => id > (this.#shownLast?.id ?? 0)) ?? entries[0];
    return this.#shownLast;
  }

  #shownLast;

  #clear(which) {
    for (const entry of this.#list.entries.filter(which)) this.#entries.delete(entry.id);
    this.#list.keep((entry) => this.#entries.has(entry.id));
    this.#showTotal();
  }

  // Showing.

  #totalFrame;

  #showTotal() {
    this.#totalFrame ??= requestAnimationFrame(() => {
      this.#totalFrame = undefined;
      this.#bar.show(this.#total, this.#entries.size, this.#entries.size - this.#open.size);
    });
  }

  #say(text) {
    this.#root.querySelector("[aria-live]").textContent = text;
  }

  // The seconds until the next try run down by themselves.
  #count() {
    if (this.#waiting.size && this.#countdown === undefined) {
      this.#countdown = setInterval(() => {
        for (const entry of this.#waiting) this.#list.changed(entry);
      }, 250);
    } else if (!this.#waiting.size) {
      clearInterval(this.#countdown);
      this.#countdown = undefined;
    }
  }
}

define("longhaul-upload", LonghaulUpload);
