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
//   auto-start      `false`: nothing is sent before somebody presses Start, or the page calls `resumeAll()`. Changes while
//                   nothing is shown.
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
import { Picker } from "./longhaul-pick.js";
import { Settings } from "./longhaul-settings.js";
import { COLOURS, STYLE } from "./longhaul-style.js";
import { Taken, inSlices } from "./longhaul-take.js";
import { Uploads } from "./longhaul-uploads.js";
import { speak, whenWords, wordsOf } from "./longhaul-words.js";

// Begun when the script is loaded, not when a file is picked: the first chunk is to leave at once.
const ready = isPage ? load() : new Promise(() => {});
// Who picks a file is told; before that nobody has to know.
ready.catch(() => {});

const FRAME = template(`
<p part="notice" role="alert" dir="auto"></p>
<div class="scroller" role="group" data-label="uploads" hidden><ul part="list" role="list"></ul></div>
<div class="quiet" aria-live="polite"></div>`);

export class LonghaulUpload extends Base {
  static observedAttributes = [
    "multiple", "directory", "accept", "auto-start", "camera", "endpoint", "files-at-once", "forget-files", "lang",
    "log-level", "name", "rate-max", "required", "verify-source",
  ];
  static formAssociated = true;
  #root = this.attachShadow({ mode: "open" });
  #settings = new Settings(this);
  #form = new FormPart(this);
  // What its parts ask of it.
  #page = {
    words: () => this.#words,
    settings: this.#settings,
    authorization: () => this.#known(),
    uploader: () => this.#uploader,
    rests: () => this.#isDisabled,
    isShown: () => this.isConnected,
    place: (element) => this.#part("total").before(element),
    opened: (file, handle) => this.#picker.opened(file, handle),
    take: (files, notice) => this.#take(files, notice),
    prepare: () => this.#prepare(Infinity),
    add: (file, path) => this.#add(file, path),
    choose: () => this.#picker.input.click(),
    focus: () => this.focus(),
    notify: (text) => this.#notify(text),
    tell: (type, detail, cancelable) => this.#tell(type, detail, cancelable),
    showForm: (sealed, open) =>
      this.#form.show(this.#settings, { sealed, open, words: this.#words, anchor: this.#picker.input }),
    rested: () => this.#leave(),
  };
  // A promise of it, once it was asked for.
  #earlier;
  #uploads;
  #words;
  #isDisabled = false;
  #picker;
  #uploader;
  #token;
  // Whether the page has asked for what requests carry.
  #wasAsked = false;

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [COLOURS, STYLE];
    this.#root.append(FRAME.content.cloneNode(true));
    this.#uploads = new Uploads(this.#root, this.#page);
    this.#picker = new Picker(this.#root, this.#page);
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
    this.#uploads.count();
    // Moving an element takes it out and puts it back in at once.
    queueMicrotask(() => this.#leave());
  }

  connectedCallback() {
    this.#silent = whenWords(() => this.#speak());
    document.addEventListener("paste", this.#pasted);
    this.#uploads.count();
    this.#speak();
    this.#withEarlier();
    this.#prepare();
    // As any other control that asks for it, while nobody is elsewhere.
    if (this.hasAttribute("autofocus") && document.activeElement === document.body) this.focus();
  }

  attributeChangedCallback(name) {
    if (["auto-start", "endpoint", "files-at-once", "log-level", "verify-source"].includes(name)) this.#startAnew();
    if (["endpoint", "forget-files"].includes(name)) this.#withEarlier();
    if (name === "rate-max") this.#uploader?.setRateMax(this.#settings.rateMax);
    if (["name", "required"].includes(name)) this.#uploads.showForm();
    if (name === "lang") this.#speak();
    else this.#picker.show(this.#words);
  }

  // In the language of where it stands by now.
  #speak() {
    const words = wordsOf(this);
    if (words === this.#words) return;
    this.#words = words;
    speak(this.#root, words);
    this.#uploads.speak();
    this.#picker.show(this.#words);
    this.#withEarlier();
  }

  #silent = () => {};

  // A paste is this element's if the focus is in it, or nowhere.
  #pasted = (event) => {
    const isMeant = event.composedPath().includes(this) || document.activeElement === document.body;
    if (!event.defaultPrevented && isMeant && this.#picker.pasted(event)) event.preventDefault();
  };

  formDisabledCallback(isDisabled) {
    this.#isDisabled = this.#picker.isDisabled = isDisabled;
  }

  formResetCallback() {
    this.#uploads.clear((entry) => entry.isOver);
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
    if (isFirst) this.#withEarlier();
    return authorization;
  }

  // A page's function is not called before there is something to upload, or the page asks.
  async #known() {
    if (typeof this.#token === "function" && !this.#wasAsked) throw new Error("nobody has asked yet");
    await ready;
    this.#uploader ??= this.#start();
    return this.#uploader.authorization();
  }

  focus(options) {
    this.#picker.input.focus(options);
  }

  addFiles(files) {
    return this.#take(files);
  }

  chunks(id) {
    return this.#uploader?.chunks(id);
  }

  pauseAll() {
    this.#uploads.pauseAll();
  }

  resumeAll() {
    this.#uploads.resumeAll();
  }

  #part(name) {
    return this.#root.querySelector(`[part=${name}]`);
  }

  // Taking files in.

  async #take(files, notice) {
    const taken = new Taken(this.#page);
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
    await inSlices(files, (found) => taken.take(found));
    const said = taken.said(this.#words);
    if (said) this.#notify(said, taken.isMild);
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
    if (this.isConnected || !this.#uploads.leave()) return;
    this.#uploader?.free();
    this.#uploader = undefined;
  }

  #startAnew() {
    if (!this.#uploader || !this.#uploads.isEmpty) return;
    this.#uploader.free();
    this.#uploader = undefined;
    if (this.isConnected) this.#prepare();
  }

  #start() {
    this.#uploader = new Uploader(this.#settings.forUploader(this.#token));
    this.#uploads.hear();
    return this.#uploader;
  }

  // Whether nobody has prevented its default.
  #tell(type, detail, cancelable = false) {
    return this.dispatchEvent(new CustomEvent(`longhaul-${type}`, { detail, bubbles: true, composed: true, cancelable }));
  }

  #add(file, path) {
    const id = this.#uploader.add(file, undefined, path);
    const entry = this.#uploads.add(id, file, path ?? file.webkitRelativePath ?? "");
    this.#withEarlier((earlier) => earlier.keep(entry, file, () => this.#picker.handleOf(file)));
  }

  // What an earlier visit left is looked for by a script that no pick waits for. Where that does not come it is as if
  // nothing had been kept.
  #withEarlier(act = (earlier) => earlier.show()) {
    if (this.#settings.keeps) {
      this.#earlier ??= import("./longhaul-earlier.js").then(({ Earlier }) => new Earlier(this.#page));
    }
    this.#earlier?.then(act).catch(() => {});
  }

  #notify(text, isMild = false) {
    this.#part("notice").classList.toggle("mild", isMild);
    this.#part("notice").textContent = text;
  }
}

define("longhaul-upload", LonghaulUpload);
