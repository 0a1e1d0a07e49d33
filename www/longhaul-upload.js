// <longhaul-upload>: attributes in, events out. What is to be done with a file is decided in the
// wasm; here it is only shown.
//
// Attributes
//   endpoint        the server's address; the page's own server if left out. Counts until the first pick.
//   multiple        more than one file may be picked
//   accept          as on <input type="file">
//   files-at-once   how many files move at once, from 1 to 5; 1 if left out. Changes while nothing is shown.
//
// Properties
//   rate-max        what all uploads of the page together may send, bytes a second, at least 65536; as
//                   much as the network takes if left out. Can be changed at any time.
//   verify-source   reads every file once more before it is sealed: only so a change while it was being
//                   read is noticed in Firefox. Changes while nothing is shown.
//   token           who uploads: a token, or a function that returns one or a promise of one. Counts
//                   while nothing is shown.
//   authorization() a promise of the value of `Authorization` that requests carry, for the page's own
//                   requests to the same server; `undefined` where they carry none
//
// Events, all bubbling and composed; `detail` is described in longhaul.d.ts
//   longhaul-state  longhaul-progress  longhaul-complete  longhaul-error
import init, { Uploader } from "./longhaul.js";
import { bytes, duration, percent } from "./format.js";

// Begun when the script is loaded, not when a file is picked: the first chunk is to leave at once.
const ready = init();
// Who picks a file is told; before that nobody has to know.
ready.catch(() => {});

const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`
:host {
  display: block;
  --accent: var(--longhaul-accent, #2457c5);
  --good: var(--longhaul-good, #1d7a4c);
  --bad: var(--longhaul-bad, #b3261e);
  --line: color-mix(in srgb, currentColor 18%, transparent);
  --faint: color-mix(in srgb, currentColor 64%, transparent);
  --surface: color-mix(in srgb, currentColor 4%, transparent);
}
@media (prefers-color-scheme: dark) {
  :host {
    --accent: var(--longhaul-accent, #86aaff);
    --good: var(--longhaul-good, #6fd3a0);
    --bad: var(--longhaul-bad, #ff9d94);
  }
}
[part=drop] {
  position: relative;
  display: grid;
  justify-items: center;
  gap: .35rem;
  padding: 2.25rem 1rem;
  text-align: center;
  border: 1.5px dashed var(--line);
  border-radius: 14px;
  background: var(--surface);
  transition: border-color .15s, background-color .15s;
}
[part=drop]:hover, [part=drop].over { border-color: var(--accent); }
[part=drop].over { background: color-mix(in srgb, var(--accent) 10%, transparent); }
[part=drop]:focus-within { outline: 3px solid color-mix(in srgb, var(--accent) 55%, transparent); outline-offset: 2px; }
/* The input itself lies over the whole area: it is clicked, focused and dropped on like any other. */
input[type=file] { position: absolute; inset: 0; opacity: 0; cursor: pointer; font-size: 0; }
[part=drop] strong { color: var(--accent); font-weight: 600; font-size: 1.05rem; }
[part=drop] span, [part=status], [part=size] { color: var(--faint); }
[part=drop] span { font-size: .92rem; }
[part=notice] { margin: .75rem 0 0; color: var(--bad); }
[part=notice]:empty, [part=error]:empty { display: none; }
ul { list-style: none; margin: 1rem 0 0; padding: 0; display: grid; gap: .75rem; }
ul:empty { display: none; }
[part=row] { border: 1px solid var(--line); border-radius: 12px; padding: .85rem 1rem; display: grid; gap: .5rem; }
.head, .foot { display: flex; gap: .75rem; align-items: center; justify-content: space-between; min-width: 0; }
.foot { align-items: flex-start; flex-wrap: wrap; }
[part=name] { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
[part=size] { flex: none; font-size: .9rem; font-variant-numeric: tabular-nums; }
[part=status] { font-size: .92rem; font-variant-numeric: tabular-nums; min-height: 1.9em; display: flex; align-items: center; flex: 1 1 16rem; }
[part=error] { margin: 0; color: var(--bad); font-size: .92rem; }
progress {
  appearance: none; width: 100%; height: 8px; border: 0; border-radius: 4px; overflow: hidden;
  background: var(--line);
}
progress::-webkit-progress-bar { background: transparent; }
progress::-webkit-progress-value { background: var(--bar, var(--accent)); border-radius: 4px; }
progress::-moz-progress-bar { background: var(--bar, var(--accent)); border-radius: 4px; }
[data-state=done] { --bar: var(--good); }
[data-state=done] [part=status] { color: var(--good); }
[data-state=failed] { --bar: var(--bad); }
[data-state=paused], [data-state=queued], [data-state=elsewhere], [data-state=cancelled], [data-state=waiting], [data-state=renewing] { --bar: var(--faint); }
.buttons { display: flex; gap: .4rem; }
button, a[part=link] {
  font: inherit; font-size: .88rem; line-height: 1.2; padding: .35rem .75rem; cursor: pointer;
  color: inherit; background: transparent; border: 1px solid var(--line); border-radius: 8px; text-decoration: none;
}
button:hover, a[part=link]:hover { border-color: var(--accent); color: var(--accent); }
button:focus-visible, a:focus-visible { outline: 3px solid color-mix(in srgb, var(--accent) 55%, transparent); outline-offset: 1px; }
[hidden] { display: none !important; }
.quiet { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; } }
`);

const FRAME = document.createElement("template");
FRAME.innerHTML = `
<div part="drop">
  <strong id="prompt"></strong>
  <span id="hint"></span>
  <input type="file" aria-labelledby="prompt" aria-describedby="hint" title="">
</div>
<p part="notice" role="alert"></p>
<ul part="list" aria-label="Uploads"></ul>
<div class="quiet" aria-live="polite"></div>`;

const ROW = document.createElement("template");
ROW.innerHTML = `
<li part="row">
  <div class="head"><span part="name"></span><span part="size"></span></div>
  <progress part="progress" max="1" value="0"></progress>
  <div class="foot">
    <span part="status"></span>
    <span class="buttons">
      <a part="link" download hidden>Download</a>
      <button type="button" part="pause">Pause</button>
      <button type="button" part="resume" hidden>Resume</button>
      <button type="button" part="cancel">Cancel</button>
      <button type="button" part="clear" hidden>Clear</button>
    </span>
  </div>
  <p part="error"></p>
</li>`;

// Which buttons a state offers, and what is said of it where it has no figures to show.
const STATES = {
  queued: { buttons: ["pause", "cancel"], words: "Waits for the files before it" },
  opening: { buttons: ["pause", "cancel"], words: "Starting" },
  uploading: { buttons: ["pause", "cancel"], words: "Uploading" },
  verifying: { buttons: ["pause", "cancel"], words: "Comparing what was sent earlier with the file" },
  sealing: { buttons: ["cancel"], words: "Finishing" },
  waiting: { buttons: ["resume", "pause", "cancel"], words: "Waiting" },
  elsewhere: { buttons: ["cancel"], words: "Another tab is sending this file" },
  renewing: { buttons: ["pause", "cancel"], words: "Waiting for a new permission" },
  paused: { buttons: ["resume", "cancel"], words: "Paused" },
  cancelling: { buttons: [], words: "Cancelling" },
  done: { buttons: ["clear"], words: "Done" },
  failed: { buttons: ["resume", "cancel"], words: "Failed" },
  cancelled: { buttons: ["clear"], words: "Cancelled" },
};
const OVER = new Set(["done", "cancelled"]);
const RESUME_WORDS = { waiting: "Try now", failed: "Try again" };

class LonghaulUpload extends HTMLElement {
  static observedAttributes = ["multiple", "accept", "endpoint", "files-at-once", "rate-max", "verify-source"];
  #root = this.attachShadow({ mode: "open" });
  #rows = new Map();
  #uploader;
  #countdown;
  #token;

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [STYLE];
    this.#root.append(FRAME.content.cloneNode(true));
    this.#input.addEventListener("change", () => this.#picked());
    const drop = this.#part("drop");
    drop.addEventListener("dragover", (event) => this.#over(event, true));
    drop.addEventListener("dragleave", (event) => this.#over(event, false));
    drop.addEventListener("drop", (event) => this.#dropped(event));
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
  }

  attributeChangedCallback(name) {
    if (name === "endpoint" || name === "files-at-once" || name === "verify-source") this.#startAnew();
    if (name === "rate-max") this.#uploader?.setRateMax(this.#rateMax);
    const many = this.hasAttribute("multiple");
    this.#input.multiple = many;
    this.#input.accept = this.getAttribute("accept") ?? "";
    this.#root.getElementById("prompt").textContent = many ? "Choose files" : "Choose a file";
    this.#root.getElementById("hint").textContent = many ? "or drop them here" : "or drop it here";
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

  get #rateMax() {
    return Number(this.getAttribute("rate-max")) || undefined;
  }

  get #input() {
    return this.#root.querySelector("input");
  }

  #part(name) {
    return this.#root.querySelector(`[part=${name}]`);
  }

  // Taking files in.

  #picked() {
    const files = [...this.#input.files];
    // So that the same file can be picked again.
    this.#input.value = "";
    this.#take(files);
  }

  #over(event, over) {
    event.preventDefault();
    this.#part("drop").classList.toggle("over", over);
  }

  #dropped(event) {
    this.#over(event, false);
    const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
    const isFolder = (item) => item.webkitGetAsEntry?.()?.isDirectory;
    const files = items.filter((item) => !isFolder(item)).map((item) => item.getAsFile());
    const folders = items.length - files.length;
    this.#take(files, folders && "A folder cannot be dropped here; open it and drop the files in it.");
  }

  async #take(files, notice) {
    const kept = this.hasAttribute("multiple") ? files : files.slice(0, 1);
    const dropped = files.length - kept.length;
    this.#notify(notice || (dropped ? `Only one file can be uploaded here; ${kept[0].name} was taken.` : ""));
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
    kept.forEach((file) => this.#add(file));
  }

  // Before anybody picks a file, so that its first chunk leaves at once.
  async #prepare() {
    try {
      await ready;
      if (!this.isConnected) return;
      this.#uploader ??= this.#start();
      this.#uploader.prepare();
    } catch {
      // Who picks a file is told.
    }
  }

  // An element that was taken out goes on with what it has begun; then it gives back what it took.
  #leave() {
    const open = [...this.#rows.values()].some((row) => !OVER.has(row.detail?.state));
    if (this.isConnected || open) return;
    this.#uploader?.free();
    this.#uploader = undefined;
  }

  #startAnew() {
    if (!this.#uploader || this.#rows.size) return;
    this.#uploader.free();
    this.#uploader = undefined;
    if (this.isConnected) this.#prepare();
  }

  #start() {
    const uploader = new Uploader({
      endpoint: this.getAttribute("endpoint") ?? "",
      token: this.#token,
      filesAtOnce: Math.round(this.getAttribute("files-at-once")) || undefined,
      rateMax: this.#rateMax,
      verifySource: this.hasAttribute("verify-source"),
    });
    const show = {
      state: (row, detail) => this.#showState(row, detail),
      progress: (row, detail) => this.#showProgress(row, detail),
      complete: (row, detail) => this.#showLink(row, detail),
      error: (row, detail) => showError(row, detail),
    };
    for (const type of Object.keys(show)) {
      uploader.addEventListener(type, ({ detail }) => {
        show[type](this.#row(detail), detail);
        this.dispatchEvent(new CustomEvent(`longhaul-${type}`, { detail, bubbles: true, composed: true }));
        if (OVER.has(detail.state)) queueMicrotask(() => this.#leave());
      });
    }
    return uploader;
  }

  #add(file) {
    const id = this.#uploader.add(file);
    part(this.#row({ id, name: file.name }), "size").textContent = bytes(file.size);
  }

  #notify(text) {
    this.#part("notice").textContent = text;
  }

  // Showing.

  // The first event of an upload comes while its file is still being added.
  #row({ id, name }) {
    return this.#rows.get(id) ?? this.#newRow(id, name);
  }

  #newRow(id, name) {
    const row = ROW.content.cloneNode(true).firstElementChild;
    part(row, "name").textContent = name;
    part(row, "name").title = name;
    part(row, "progress").setAttribute("aria-label", name);
    for (const action of ["pause", "resume", "cancel"]) {
      part(row, action).addEventListener("click", () => this.#uploader[action](id));
    }
    part(row, "clear").addEventListener("click", () => {
      this.#rows.delete(id);
      row.remove();
      this.#input.focus();
    });
    this.#rows.set(id, row);
    this.#part("list").append(row);
    return row;
  }

  #showState(row, detail) {
    const focused = row.contains(this.#root.activeElement);
    row.detail = detail;
    row.dataset.state = detail.state;
    showButtons(row, detail.state);
    if (detail.state !== "queued") row.started ??= performance.now();
    part(row, "error").textContent = "";
    part(row, "progress").value = share(row);
    part(row, "status").textContent = status(row);
    this.#root.querySelector("[aria-live]").textContent = `${detail.name}: ${STATES[detail.state].words}`;
    if (focused && this.#root.activeElement?.hidden !== false) {
      row.querySelector("button:not([hidden])")?.focus();
    }
    this.#count();
  }

  #showProgress(row, detail) {
    row.progress = detail;
    part(row, "size").textContent = bytes(detail.total);
    part(row, "progress").value = share(row);
    part(row, "status").textContent = status(row);
  }

  // A link cannot carry a token; where one is needed the page has to fetch.
  async #showLink(row, detail) {
    const authorization = this.#uploader?.authorization();
    // A page whose function has no token now had one when it uploaded.
    if (!await authorization?.catch(() => true)) showLink(row, detail);
  }

  // The seconds until the next try run down by themselves.
  #count() {
    const waiting = () => [...this.#rows.values()].filter((row) => row.detail?.retryAt);
    if (waiting().length && this.#countdown === undefined) {
      this.#countdown = setInterval(() => {
        waiting().forEach((row) => { part(row, "status").textContent = status(row); });
      }, 250);
    } else if (!waiting().length) {
      clearInterval(this.#countdown);
      this.#countdown = undefined;
    }
  }
}

function part(row, name) {
  return row.querySelector(`[part=${name}]`);
}

function showButtons(row, state) {
  for (const name of ["pause", "resume", "cancel", "clear"]) {
    const button = part(row, name);
    button.hidden = !STATES[state].buttons.includes(name);
    if (name === "resume") button.textContent = RESUME_WORDS[state] ?? "Resume";
    button.setAttribute("aria-label", `${button.textContent}: ${part(row, "name").textContent}`);
  }
  part(row, "link").hidden = true;
}

function showLink(row, { url, file }) {
  const link = part(row, "link");
  link.href = url;
  link.download = file.name;
  link.hidden = false;
  link.setAttribute("aria-label", `Download: ${file.name}`);
}

function showError(row, { message, advice }) {
  part(row, "error").textContent = [message, advice].filter(Boolean).map(sentence).join(" ");
}

function share({ progress, detail }) {
  if (detail?.state === "done") return 1;
  if (!progress?.total) return 0;
  const { acknowledged, inFlight, total } = progress;
  // What is in flight may be in a buffer of this machine only: all of it is there once the server says so.
  return acknowledged >= total ? 1 : Math.min(.99, (acknowledged + inFlight) / total);
}

// The line under the bar.
function status(row) {
  const { detail, progress } = row;
  if (!detail) return "";
  const { words } = STATES[detail.state];
  switch (detail.state) {
    case "uploading":
      return [percent(share(row)), progress?.rate && `${bytes(progress.rate)}/s`, left(progress)]
        .filter(Boolean).join(" · ");
    case "paused":
    case "queued":
      return progress?.acknowledged ? `${words} · ${percent(share(row))}` : words;
    case "waiting": {
      const ms = detail.retryAt - Date.now();
      return `${sentence(detail.message)} Waiting, next try in ${duration(Math.ceil(ms / 1000) * 1000)}`;
    }
    case "done":
      return done(row);
    default:
      return words;
  }
}

function done({ progress, started }) {
  const took = duration(performance.now() - started);
  const instant = progress?.total && progress.reused >= progress.total;
  return instant ? "Done · the server had all of it already" : `Done in ${took}`;
}

function left(progress) {
  if (progress?.leftMs == null || progress.leftMs === 0) return "";
  return `${duration(progress.leftMs)} left`;
}

function sentence(text) {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

customElements.define("longhaul-upload", LonghaulUpload);
