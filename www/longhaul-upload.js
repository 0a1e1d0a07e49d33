// <longhaul-upload>: attributes in, events out. What is to be done with a file is decided in the
// wasm; here it is only shown.
//
// Attributes
//   endpoint        the server's address; the page's own server if left out. Counts until the first pick.
//   multiple        more than one file may be picked, and folders dropped
//   directory       there is a button to choose a folder too; implies `multiple`
//   accept          as on <input type="file">, of what is dropped and pasted too
//   max-size        how large a file may be, bytes
//   camera          there is a button to take a photo, where people point with a finger
//   auto-start      `false`: nothing is sent before somebody presses Start, or the page calls `resumeAll()`
//   name            what the form around calls it, which gets the ids of the files that are sealed
//   required        that form is not sent without any
//   disabled        nothing can be picked
//   lang            the language it speaks, of those that there are words for; else that of what is around
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
//                   where `accept` is not set: a handle in IndexedDB until the file's upload is over), and what is
//                   unfinished on the server is not offered
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
//   chunks(id)  where each chunk of an upload is, see longhaul.d.ts
//
// Events, all bubbling and composed; `detail` is described in longhaul.d.ts
//   longhaul-accept  before a file is taken in: { file, path, reason }. Whoever prevents its default refuses the
//                    file, and may write a reason into its detail, which is then shown
//   longhaul-state  longhaul-progress  longhaul-complete  longhaul-error  longhaul-total
//   longhaul-directory   an empty folder was dropped, which has nothing to upload: { path }
import { Uploader, load } from "./longhaul-client.js";
import { Base, define, isPage, template } from "./longhaul-dom.js";
import { FormPart } from "./longhaul-form.js";
import { Earlier } from "./longhaul-handles.js";
import { List } from "./longhaul-list.js";
import { Picker } from "./longhaul-pick.js";
import { Polite } from "./longhaul-polite.js";
import { Entry, makeRow, showRow } from "./longhaul-row.js";
import { Announcer } from "./longhaul-say.js";
import { Settings } from "./longhaul-settings.js";
import { COLOURS, STYLE } from "./longhaul-style.js";
import { Taken, inSlices } from "./longhaul-take.js";
import { TotalBar } from "./longhaul-total.js";
import { speak, whenWords, wordsOf } from "./longhaul-words.js";

// Begun when the script is loaded, not when a file is picked: the first chunk is to leave at once.
const ready = isPage ? load() : new Promise(() => {});
// Who picks a file is told; before that nobody has to know.
ready.catch(() => {});

const FRAME = template(`
<div part="drop">
  <strong id="prompt"></strong>
  <span id="hint"></span>
  <input type="file" aria-labelledby="prompt" aria-describedby="hint" title="">
  <div class="buttons">
    <button type="button" part="choose-folder" data-say="choose-folder" hidden></button>
    <button type="button" part="take-photo" data-say="take-photo" hidden></button>
  </div>
</div>
<input id="folder" type="file" webkitdirectory multiple hidden>
<input id="photo" type="file" accept="image/*" capture="environment" hidden>
<p part="notice" role="alert" dir="auto"></p>
<div class="scroller" role="group" data-label="uploads" hidden><ul part="list" role="list"></ul></div>
<div class="quiet" aria-live="polite"></div>`);

const ABOUT_TO_PICK = ["pointerenter", "focusin", "click", "dragenter"];
const NOTHING = { files: 0, done: 0, failed: 0, moving: 0, held: false, total: 0, acknowledged: 0, inFlight: 0 };

export class LonghaulUpload extends Base {
  static observedAttributes = [
    "multiple", "directory", "accept", "camera", "endpoint", "files-at-once", "forget-files", "lang", "log-level", "name",
    "rate-max", "required", "verify-source",
  ];
  static formAssociated = true;
  #root = this.attachShadow({ mode: "open" });
  #settings = new Settings(this);
  // By the upload's number.
  #entries = new Map();
  // Of these: those that are not over, and those that wait for their next try.
  #open = new Set();
  // By the upload's number: the id of the file that it has become.
  #sealed = new Map();
  #waiting = new Set();
  #total = NOTHING;
  #polite = new Polite(() => !this.#settings.leavesQuietly);
  #list;
  #bar = new TotalBar((action) => this.#actOnAll(action));
  // What its parts ask of it.
  #page = {
    words: () => this.#words,
    many: () => this.#settings.many,
    keeps: () => this.#settings.keeps,
    endpoint: () => this.#settings.endpoint,
    authorization: () => this.#known(),
    rests: () => this.#isDisabled,
    isHeld: () => this.#total.held,
    isBegun: () => this.#isBegun,
    isFew: () => this.#list.isWhole,
    isShown: () => this.isConnected,
    place: (element) => this.#bar.element.before(element),
    opened: (file, handle) => this.#picker.opened(file, handle),
    take: (files, notice) => this.#take(files, notice),
    choose: () => this.#input.click(),
    notify: (text) => this.#notify(text),
  };
  #earlier = new Earlier(this.#page);
  #form = new FormPart(this);
  #say;
  #words;
  // Whether anything had its turn since the list was empty.
  #isBegun = true;
  #isDisabled = false;
  #picker;
  #uploader;
  #countdown;
  #token;
  // Whether the page has asked for what requests carry.
  #wasAsked = false;

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [COLOURS, STYLE];
    this.#root.append(FRAME.content.cloneNode(true));
    const scroller = this.#root.querySelector(".scroller");
    scroller.before(this.#bar.element);
    const act = (action, entry) => this.#act(action, entry);
    this.#list = new List(scroller, this.#part("list"), (entry) => makeRow(entry, act), showRow);
    const drop = this.#part("drop");
    const buttons = { chooseFolder: this.#part("choose-folder"), takePhoto: this.#part("take-photo") };
    const inputs = { input: this.#input, folder: this.#folder, photo: this.#photo };
    this.#picker = new Picker({ ...inputs, drop, ...buttons }, this.#page);
    this.#say = new Announcer(this.#root.querySelector("[aria-live]"), this.#page);
    // Somebody is about to pick, which takes longer than starting all the workers there can be.
    for (const type of ABOUT_TO_PICK) drop.addEventListener(type, () => this.#prepare(Infinity));
    // Given before this class was there, it hides the property of that name.
    if (Object.hasOwn(this, "token")) {
      const { token } = this;
      delete this.token;
      this.token = token;
    }
    this.#speak();
  }

  disconnectedCallback() {
    this.#silent();
    document.removeEventListener("paste", this.#pasted);
    clearInterval(this.#countdown);
    this.#countdown = undefined;
    // Moving an element takes it out and puts it back in at once.
    queueMicrotask(() => this.#leave());
  }

  connectedCallback() {
    this.#silent = whenWords(() => this.#speak());
    document.addEventListener("paste", this.#pasted);
    this.#count();
    this.#speak();
    this.#earlier.show();
    this.#prepare();
  }

  attributeChangedCallback(name) {
    if (["endpoint", "files-at-once", "log-level", "verify-source"].includes(name)) this.#startAnew();
    if (["endpoint", "forget-files"].includes(name)) this.#earlier.show();
    if (name === "rate-max") this.#uploader?.setRateMax(this.#settings.rateMax);
    if (["name", "required"].includes(name)) this.#showForm();
    if (name === "lang") this.#speak();
    else this.#showWays();
  }

  // The ways to pick.
  #showWays() {
    const { many, accept, folders, photos } = this.#settings;
    this.#input.multiple = many;
    this.#input.accept = accept;
    this.#part("choose-folder").hidden = !(folders && "webkitdirectory" in this.#folder);
    this.#part("take-photo").hidden = !photos;
    this.#root.getElementById("prompt").textContent = this.#words.say(many ? "choose-many" : "choose-one");
    this.#root.getElementById("hint").textContent = this.#words.say(many ? "drop-many" : "drop-one");
  }

  // In the language of where it stands by now.
  #speak() {
    const words = wordsOf(this);
    if (words === this.#words) return;
    this.#words = words;
    speak(this.#root, words);
    this.#bar.words = words;
    this.#list.allChanged();
    this.#showWays();
    this.#showTotal();
    this.#showForm();
    this.#earlier.show();
  }

  #silent = () => {};

  // A paste is this element's if the focus is in it, or nowhere.
  #pasted = (event) => {
    const isMeant = event.composedPath().includes(this) || document.activeElement === document.body;
    if (!event.defaultPrevented && isMeant && this.#picker.pasted(event)) event.preventDefault();
  };

  formDisabledCallback(isDisabled) {
    this.#isDisabled = isDisabled;
    this.#part("drop").inert = isDisabled;
  }

  formResetCallback() {
    this.#clear((entry) => entry.isOver);
  }

  get token() {
    return this.#token;
  }

  set token(token) {
    this.#token = token;
    this.#startAnew();
  }

  async authorization() {
    const isFirst = !this.#wasAsked;
    this.#wasAsked = true;
    const authorization = await this.#known();
    if (isFirst) this.#earlier.show();
    return authorization;
  }

  // A page's function is not called before there is something to upload, or the page asks.
  async #known() {
    if (typeof this.#token === "function" && !this.#wasAsked) throw new Error("nobody has asked yet");
    await ready;
    this.#uploader ??= this.#start();
    return this.#uploader.authorization();
  }

  addFiles(files) {
    return this.#take(files);
  }

  chunks(id) {
    return this.#uploader?.chunks(id);
  }

  pauseAll() {
    this.#uploader?.pauseAll();
  }

  resumeAll() {
    this.#begin();
    this.#uploader?.resumeAll();
  }

  // Nothing waits for its start any more.
  #begin() {
    this.#isBegun = true;
    this.#list.allChanged();
  }

  get #input() {
    return this.#root.querySelector("input");
  }

  get #folder() {
    return this.#root.getElementById("folder");
  }

  get #photo() {
    return this.#root.getElementById("photo");
  }

  #part(name) {
    return this.#root.querySelector(`[part=${name}]`);
  }

  // Taking files in.

  async #take(files, notice) {
    const taken = new Taken(this.#settings);
    const words = this.#words;
    this.#notify(notice ? words.say(notice) : "");
    try {
      await ready;
    } catch (error) {
      return this.#notify(words.say("unloaded", { reason: error.message ?? String(error) }));
    }
    try {
      this.#uploader ??= this.#start();
    } catch (error) {
      return this.#notify(words.say("unstarted", { reason: error.message ?? String(error) }));
    }
    await inSlices(files, (found) => this.#takeOne(found, taken));
    const said = taken.said(this.#words);
    if (said) this.#notify(said, taken.isMild);
  }

  #takeOne(found, taken) {
    if (found.directory !== undefined) {
      taken.empty(found.directory);
      return this.#tell("directory", { path: found.directory });
    }
    if (found.unreadable !== undefined) return taken.unreadable(found.unreadable);
    const { file, path } = found instanceof File ? { file: found } : found;
    if (!taken.takes(file)) return undefined;
    const detail = { file, path, reason: "" };
    if (!this.#tell("accept", detail, true)) return taken.refused(file, detail.reason);
    taken.took(file);
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
    const uploader = new Uploader(this.#settings.forUploader(this.#token));
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
    this.#uploader = uploader;
    this.#hold();
    return uploader;
  }

  // What comes next waits for its start, if it is to.
  #hold() {
    if (!this.#settings.isHeld || this.#open.size) return;
    this.#isBegun = false;
    this.#uploader?.pauseAll();
  }

  // Whether nobody has prevented its default.
  #tell(type, detail, cancelable = false) {
    return this.dispatchEvent(new CustomEvent(`longhaul-${type}`, { detail, bubbles: true, composed: true, cancelable }));
  }

  #add(file, path) {
    const entry = this.#entry({ id: this.#uploader.add(file, undefined, path), name: file.name });
    entry.is(file, path ?? file.webkitRelativePath ?? "");
    this.#list.changed(entry);
    this.#earlier.keep(entry, file, () => this.#picker.handleOf(file));
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
    const entry = new Entry(id, this.#page);
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
      queueMicrotask(() => {
        this.#hold();
        this.#leave();
      });
    } else {
      this.#open.add(entry);
    }
    if (detail.retryAt) this.#waiting.add(entry);
    else this.#waiting.delete(entry);
    this.#list.changed(entry);
    this.#say.state(entry);
    this.#showForm();
    this.#count();
  }

  #cameProgress(detail) {
    const entry = this.#entry(detail);
    entry.progress = detail;
    entry.size = detail.total;
    this.#list.changed(entry);
    this.#say.progress(entry);
  }

  // A link cannot carry a token; where one is needed the page has to fetch.
  async #cameLink(detail) {
    const entry = this.#entry(detail);
    this.#sealed.set(entry.id, detail.file.id);
    this.#showForm();
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
    if (moved && !total.moving) this.#say.rest(total);
    this.#showTotal();
  }

  // Doing something.

  #act(action, entry) {
    if (action === "resume") this.#begin();
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
    if (!confirm(this.#words.say("sure-cancel", { n: open.length }))) return undefined;
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
    for (const entry of this.#list.entries.filter(which)) {
      this.#entries.delete(entry.id);
      this.#sealed.delete(entry.id);
    }
    this.#showForm();
    this.#list.keep((entry) => this.#entries.has(entry.id));
    this.#showTotal();
  }

  // Showing.

  #totalFrame;

  #showTotal() {
    this.#totalFrame ??= requestAnimationFrame(() => {
      this.#totalFrame = undefined;
      this.#bar.show(this.#total, this.#entries.size, this.#entries.size - this.#open.size, this.#isBegun);
    });
  }

  #showForm() {
    const state = { sealed: this.#sealed, open: this.#open.size, words: this.#words, anchor: this.#input };
    this.#form.show(this.#settings, state);
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
