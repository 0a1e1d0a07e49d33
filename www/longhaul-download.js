// <longhaul-download>: one file to be downloaded and verified. Attributes in, events out; what is to be done
// is decided in a worker's wasm, which is loaded when somebody begins.
//
// Attributes
//   href       the file's address: .../v1/files/ and its id
//   name       what it is called, and saved as
//   root       the root that it has to have, base64, if it is known from elsewhere
//   no-picker  nobody is asked where to: it goes to the browser's own storage first and is saved from there, as
//              in browsers that cannot ask
//   lang       the language it speaks, of those that there are words for; else that of what is around
//
// Property
//   token      who downloads: a token, or a function that returns one or a promise of one
//
// Events, all bubbling and composed: longhaul-download-state, -progress, -complete, -error; `detail` as
// Downloader's, see longhaul-downloader.js
import { Downloader, hindrance, isBegun, remove } from "./longhaul-downloader.js";
import { Base, define, put, sheet, template } from "./longhaul-dom.js";
import { forgetPlace, keepPlace, placeOf } from "./longhaul-places.js";
import { pace, share, trouble } from "./longhaul-row.js";
import { COLOURS, STYLE } from "./longhaul-style.js";
import { addWords, speak, whenWords, wordsOf } from "./longhaul-words.js";

addWords("en", {
  download: "Download and verify",
  "go-on": "Go on downloading",
  "save-again": "Save again",
  "download-queued": "Waits for another download",
  "download-downloading": "Downloading",
  "download-checking": "Checking what was here already",
  "download-done": "Every byte is verified",
  "amount-in": "{size} in {time}",
  saved: "saved",
  "in-picked": "in the file that you picked",
  unable: "Not verified: {reason}.",
  "no-token-in-link": "A plain link cannot send the token.",
});

const FRAME = template(`
<div part="row">
  <progress part="progress" max="1" value="0" hidden></progress>
  <div class="foot">
    <span class="standing"><bdi part="status"></bdi></span>
    <span class="buttons">
      <button type="button" part="start"></button>
      <button type="button" part="pause" data-say="pause" hidden></button>
      <button type="button" part="resume" hidden></button>
      <button type="button" part="cancel" data-say="cancel" hidden></button>
      <a part="link" download hidden></a>
      <button type="button" part="clear" data-say="clear" hidden></button>
    </span>
  </div>
  <p part="error" role="alert" dir="auto"></p>
  <div class="quiet" aria-live="polite"></div>
</div>`);

const OWN = sheet(`
:host([data-rests]) { display: inline-block; }
[part=row] { border: 0; padding: 0; }
.standing:has(:empty) { display: none; }
:host([data-rests]) .standing { min-height: 0; }
`);

// Which buttons a state offers.
const OFFERED = {
  idle: ["start"],
  unable: ["link"],
  queued: ["pause", "cancel"],
  opening: ["pause", "cancel"],
  downloading: ["pause", "cancel"],
  checking: ["pause", "cancel"],
  finishing: [],
  waiting: ["resume", "pause", "cancel"],
  renewing: ["pause", "cancel"],
  paused: ["resume", "cancel"],
  done: ["link", "clear"],
  failed: ["resume", "cancel"],
};
const RESTS = ["idle", "unable"];
const MOVES = ["opening", "downloading", "checking", "renewing", "waiting"];
const OVER = ["done", "cancelled"];
const RESUME_WORDS = { waiting: "try-now", failed: "try-again" };
// How long a person who is asked whether to leave, and stays, waits until it goes on, milliseconds: the question holds it up.
const STAYS_MS = 500;
const BUTTONS = ["start", "pause", "resume", "cancel", "link", "clear"];

export class LonghaulDownload extends Base {
  static observedAttributes = ["href", "lang", "name"];
  #root = this.attachShadow({ mode: "open" });
  #downloader;
  #id;
  #state = "idle";
  #detail;
  #progress;
  #file;
  #error;
  #why;
  #words;
  #silent = () => {};
  // Whether some of it is here already.
  #isHere = false;
  #handle;
  #saved;
  #token;
  #started;
  #asks = false;
  // The address of what was begun, whatever the attribute says by now.
  #begun;
  #leaving = (event) => this.#left(event);

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [COLOURS, STYLE, OWN];
    this.#root.append(FRAME.content.cloneNode(true));
    const act = {
      start: () => this.#start(),
      pause: () => this.#downloader.pause(this.#id),
      resume: () => this.#downloader.resume(this.#id),
      cancel: () => this.#downloader.cancel(this.#id),
      clear: () => this.#clear(),
    };
    for (const [name, does] of Object.entries(act)) this.#part(name).addEventListener("click", does);
    // Given before this class was there, it hides the property of that name.
    if (Object.hasOwn(this, "token")) {
      const { token } = this;
      delete this.token;
      this.token = token;
    }
  }

  get token() {
    return this.#token;
  }

  set token(token) {
    this.#token = token;
    this.#show();
  }

  connectedCallback() {
    this.#silent = whenWords(() => this.#speak());
    this.#speak();
    this.#look();
  }

  disconnectedCallback() {
    this.#silent();
  }

  // In the language of where it stands by now.
  #speak() {
    this.#words = wordsOf(this);
    speak(this.#root, this.#words);
    this.#show();
  }

  attributeChangedCallback(name) {
    if (name === "lang" && this.isConnected) return this.#speak();
    if (name === "href" && this.isConnected && this.#state === "idle") this.#look();
    this.#show();
  }

  // Whether it can be done here at all, and whether some of it has been.
  async #look() {
    this.#why = await hindrance();
    if (this.#state === "idle" && this.#why) this.#state = "unable";
    const { href } = this;
    this.#isHere = Boolean(href) && (await isBegun(href));
    this.#show();
  }

  get href() {
    const given = this.getAttribute("href");
    return given ? new URL(given, document.baseURI).href : "";
  }

  get #name() {
    return this.getAttribute("name") ?? this.#file?.name ?? "";
  }

  #part(name) {
    return this.#root.querySelector(`[part=${name}]`);
  }

  // What is pressed.

  // Pressed twice it begins once.
  async #start() {
    if (this.#asks) return;
    this.#asks = true;
    const { href } = this;
    const place = await this.#place(href).finally(() => (this.#asks = false));
    if (!place) return;
    [this.#begun, this.#handle] = [href, place.handle];
    this.#error = undefined;
    addEventListener("beforeunload", this.#leaving);
    this.#started = performance.now();
    this.#downloader = new Downloader({ token: this.#token });
    for (const kind of ["state", "file", "progress", "complete", "error"]) {
      this.#downloader.addEventListener(kind, ({ detail }) => this.#heard(kind, detail));
    }
    this.#id = this.#downloader.add(href, { root: this.getAttribute("root") ?? undefined, ...place });
  }

  // Where it is to go: into a file that was picked, else to the browser's own storage; nothing if the person
  // has thought better of it.
  async #place(href) {
    const kept = await placeOf(href);
    if (kept && (await kept.requestPermission?.({ mode: "readwrite" })) === "granted") return { handle: kept };
    if (this.hasAttribute("no-picker") || !window.showSaveFilePicker) return {};
    // What was begun there goes on there.
    if (!kept && (await isBegun(href))) return {};
    try {
      const handle = await showSaveFilePicker({ suggestedName: this.#name, id: "longhaul" });
      await keepPlace(href, handle);
      return { handle };
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      return {};
    }
  }

  #clear() {
    URL.revokeObjectURL(this.#saved);
    if (this.#saved) remove(this.#begun);
    this.#state = "idle";
    this.#progress = this.#saved = undefined;
    this.#isHere = false;
    this.#show();
    this.#part("start").focus();
  }

  // What was written beside a picked file is lost with the page; a pause puts it in its place. While the person
  // is asked whether to leave there is time for that.
  #left(event) {
    if (!this.#handle || !MOVES.includes(this.#state)) return;
    this.#downloader.pause(this.#id);
    event.preventDefault();
    event.returnValue = true;
    setTimeout(() => this.#downloader.resume(this.#id), STAYS_MS);
  }

  // What is heard.

  #heard(kind, detail) {
    if (kind === "state") this.#stands(detail);
    if (kind === "file") this.#file = detail;
    if (kind === "progress") this.#progress = detail;
    if (kind === "complete") this.#completed(detail);
    if (kind === "error") this.#failed(detail);
    this.#show();
    if (kind !== "file") this.dispatchEvent(new CustomEvent(`longhaul-download-${kind}`, { detail, bubbles: true, composed: true }));
  }

  #stands(detail) {
    const { state } = detail;
    const hadFocus = this.#root.activeElement !== null;
    this.#detail = detail;
    this.#state = state === "cancelled" ? "idle" : state;
    if (state === "cancelled") {
      this.#progress = undefined;
      this.#isHere = false;
      forgetPlace(this.#begun);
    }
    if (state !== "failed") this.#error = undefined;
    if (OVER.includes(state)) removeEventListener("beforeunload", this.#leaving);
    this.#root.querySelector(".quiet").textContent = this.#words.say("state-of", { name: this.#name, state: this.#standing });
    this.#show();
    // The button that had it may be gone.
    if (hadFocus && !this.#root.activeElement) this.#root.querySelector("button:not([hidden])")?.focus();
  }

  // A file that is opened in the browser by this link is of the page's origin: without a type of its own it is
  // saved and never shown, or a page that somebody has uploaded would be one of this site.
  #completed({ blob, isPicked }) {
    forgetPlace(this.#begun);
    if (isPicked) return;
    this.#saved = URL.createObjectURL(blob.slice(0, blob.size, "application/octet-stream"));
    this.#show();
    this.#part("link").click();
  }

  #failed(detail) {
    this.#error = detail;
    if (detail.code === "unable") {
      this.#state = "unable";
      this.#why = detail.message;
      this.#error = undefined;
    }
  }

  // What is shown.

  #show() {
    // An element that is being made may have no attributes yet.
    if (!this.#words) return;
    const state = this.#state;
    this.dataset.state = state;
    this.#part("row").dataset.state = state;
    this.toggleAttribute("data-rests", RESTS.includes(state));
    const progress = this.#part("progress");
    progress.hidden = RESTS.includes(state);
    progress.value = share({ progress: this.#progress, detail: { state } });
    progress.setAttribute("aria-label", this.#name);
    put(this.#part("status"), this.#status());
    put(this.#part("error"), this.#error ? trouble(this.#words, this.#error) : "");
    for (const name of BUTTONS) this.#showButton(name, OFFERED[state].includes(name));
    this.#showLink();
  }

  #showButton(name, isOffered) {
    const button = this.#part(name);
    button.hidden = !isOffered;
    if (name === "start") put(button, this.#words.say(this.#isHere ? "go-on" : "download"));
    if (name === "resume") put(button, this.#words.say(RESUME_WORDS[this.#state] ?? "resume"));
    this.#label(button);
  }

  #label(button) {
    const label = this.#words.say("button-of", { button: button.textContent, name: this.#name });
    button.setAttribute("aria-label", label);
  }

  // To what is there to be saved, or, where nothing can be kept, to the server.
  #showLink() {
    const link = this.#part("link");
    const href = this.#state === "unable" ? this.href : this.#saved;
    link.hidden ||= !href || (this.#state === "unable" && Boolean(this.#token));
    if (link.hidden) return;
    put(link, this.#words.say(this.#state === "unable" ? "link" : "save-again"));
    link.href = href;
    link.download = this.#name;
    this.#label(link);
  }

  get #standing() {
    if (RESTS.includes(this.#state)) return "";
    return this.#words.say(`download-${this.#state}`) ?? this.#words.say(`state-${this.#state}`);
  }

  #status() {
    const words = this.#words;
    const standing = this.#standing;
    const known = this.#progress?.total;
    const percent = known && words.percent(share({ progress: this.#progress }));
    switch (this.#state) {
      case "downloading": return known ? [percent, ...pace(words, this.#progress)].join(" · ") : standing;
      case "paused": return known ? `${standing} · ${percent}` : standing;
      case "waiting": return trouble(words, this.#detail);
      case "done": {
        const time = words.duration(performance.now() - this.#started);
        const amount = words.say("amount-in", { size: words.bytes(known ?? 0), time });
        return [standing, amount, words.say(this.#saved ? "saved" : "in-picked")].join(" · ");
      }
      case "unable": {
        const why = words.say("unable", { reason: this.#why });
        return this.#token ? `${why} ${words.say("no-token-in-link")}` : why;
      }
      default: return standing;
    }
  }
}

define("longhaul-download", LonghaulDownload);
