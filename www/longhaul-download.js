// <longhaul-download>: one file to be downloaded and verified. Attributes in, events out; what is to be done
// is decided in a worker's wasm, which is loaded when somebody begins.
//
// Attributes
//   href       the file's address: .../v1/files/ and its id
//   name       what it is called, and saved as
//   root       the root that it has to have, base64, if it is known from elsewhere
//   no-picker  nobody is asked where to: it goes to the browser's own storage first and is saved from there, as
//              in browsers that cannot ask
//
// Property
//   token      who downloads: a token, or a function that returns one or a promise of one
//
// Events, all bubbling and composed: longhaul-download-state, -progress, -complete, -error; `detail` as
// Downloader's, see longhaul-downloader.js
import { Downloader, hindrance, isBegun, remove } from "./longhaul-downloader.js";
import { bytes, duration, percent } from "./format.js";
import { Base, define, sheet, template } from "./longhaul-dom.js";
import { forgetPlace, keepPlace, placeOf } from "./longhaul-places.js";
import { pace, share } from "./longhaul-row.js";
import { STYLE } from "./longhaul-style.js";

const START = "Download and verify";
const FRAME = template(`
<div part="row">
  <progress part="progress" max="1" value="0" hidden></progress>
  <div class="foot">
    <span part="status"></span>
    <span class="buttons">
      <button type="button" part="start">${START}</button>
      <button type="button" part="pause" hidden>Pause</button>
      <button type="button" part="resume" hidden>Resume</button>
      <button type="button" part="cancel" hidden>Cancel</button>
      <a part="link" download hidden>Download</a>
      <button type="button" part="clear" hidden>Clear</button>
    </span>
  </div>
  <p part="error" role="alert"></p>
  <div class="quiet" aria-live="polite"></div>
</div>`);

const OWN = sheet(`
:host([data-rests]) { display: inline-block; }
[part=row] { border: 0; padding: 0; }
[part=status]:empty { display: none; }
:host([data-rests]) [part=status] { min-height: 0; }
`);

// Which buttons a state offers, and what is said of it where it has no figures to show.
const STATES = {
  idle: { buttons: ["start"], words: "" },
  unable: { buttons: ["link"], words: "" },
  queued: { buttons: ["pause", "cancel"], words: "Waits for another download" },
  opening: { buttons: ["pause", "cancel"], words: "Starting" },
  downloading: { buttons: ["pause", "cancel"], words: "Downloading" },
  checking: { buttons: ["pause", "cancel"], words: "Checking what was here already" },
  finishing: { buttons: [], words: "Finishing" },
  waiting: { buttons: ["resume", "pause", "cancel"], words: "Waiting" },
  renewing: { buttons: ["pause", "cancel"], words: "Waiting for a new permission" },
  paused: { buttons: ["resume", "cancel"], words: "Paused" },
  done: { buttons: ["link", "clear"], words: "Every byte is verified" },
  failed: { buttons: ["resume", "cancel"], words: "Failed" },
};
const RESTS = ["idle", "unable"];
const MOVES = ["opening", "downloading", "checking", "renewing", "waiting"];
const OVER = ["done", "cancelled"];
const RESUME_WORDS = { waiting: "Try now", failed: "Try again" };
const BUTTONS = ["start", "pause", "resume", "cancel", "link", "clear"];

export class LonghaulDownload extends Base {
  static observedAttributes = ["href", "name"];
  #root = this.attachShadow({ mode: "open" });
  #downloader;
  #id;
  #state = "idle";
  #detail;
  #progress;
  #file;
  #error = "";
  #why;
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
    this.#root.adoptedStyleSheets = [STYLE, OWN];
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
    this.#look();
    this.#show();
  }

  attributeChangedCallback(name) {
    if (name === "href" && this.isConnected && this.#state === "idle") this.#look();
    this.#show();
  }

  // Whether it can be done here at all, and whether some of it has been.
  async #look() {
    this.#why = await hindrance();
    if (this.#state === "idle" && this.#why) this.#state = "unable";
    const { href } = this;
    const isHere = Boolean(href) && (await isBegun(href));
    if (this.#state === "idle") this.#part("start").textContent = isHere ? "Go on downloading" : START;
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
    this.#error = "";
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
    this.#part("start").textContent = START;
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
    setTimeout(() => this.#downloader.resume(this.#id), 500);
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
      forgetPlace(this.#begun);
      this.#part("start").textContent = START;
    }
    if (state !== "failed") this.#error = "";
    if (OVER.includes(state)) removeEventListener("beforeunload", this.#leaving);
    this.#root.querySelector(".quiet").textContent = [this.#name, STATES[this.#state].words].filter(Boolean).join(": ");
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

  #failed({ code, message, advice }) {
    this.#error = [message, advice].filter(Boolean).map(sentence).join(" ");
    if (code === "unable") {
      this.#state = "unable";
      this.#why = message;
      this.#error = "";
    }
  }

  // What is shown.

  #show() {
    const state = this.#state;
    this.dataset.state = state;
    this.#part("row").dataset.state = state;
    this.toggleAttribute("data-rests", RESTS.includes(state));
    const progress = this.#part("progress");
    progress.hidden = RESTS.includes(state);
    progress.value = share({ progress: this.#progress, detail: { state } });
    progress.setAttribute("aria-label", this.#name);
    put(this.#part("status"), this.#status());
    put(this.#part("error"), this.#error);
    for (const name of BUTTONS) this.#showButton(name, STATES[state].buttons.includes(name));
    this.#showLink();
  }

  #showButton(name, isOffered) {
    const button = this.#part(name);
    button.hidden = !isOffered;
    if (name === "resume") put(button, RESUME_WORDS[this.#state] ?? "Resume");
    button.setAttribute("aria-label", `${button.textContent}: ${this.#name}`);
  }

  // To what is there to be saved, or, where nothing can be kept, to the server.
  #showLink() {
    const link = this.#part("link");
    const href = this.#state === "unable" ? this.href : this.#saved;
    link.hidden ||= !href || (this.#state === "unable" && Boolean(this.#token));
    if (link.hidden) return;
    put(link, this.#state === "unable" ? "Download" : "Save again");
    link.href = href;
    link.download = this.#name;
    link.setAttribute("aria-label", `${link.textContent}: ${this.#name}`);
  }

  #status() {
    const { words } = STATES[this.#state];
    const known = this.#progress?.total;
    switch (this.#state) {
      case "downloading":
        return known ? [percent(share({ progress: this.#progress })), ...pace(this.#progress)].join(" · ") : words;
      case "paused": return known ? `${words} · ${percent(share({ progress: this.#progress }))}` : words;
      case "waiting": return sentence(this.#detail.message);
      case "done": {
        const where = this.#saved ? "saved" : "in the file that you picked";
        return `${words} · ${bytes(known ?? 0)} in ${duration(performance.now() - this.#started)} · ${where}`;
      }
      case "unable": {
        const need = this.#token ? "; a plain link cannot send the token" : "";
        return sentence(`Not verified: ${this.#why}${need}`);
      }
      default: return words;
    }
  }
}

// Text that is put again although it is there makes the browser lay it out again.
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function sentence(text) {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

define("longhaul-download", LonghaulDownload);
