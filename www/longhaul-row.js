// One file's row: what is known of the file, and how that is shown.
import { bytes, duration, percent } from "./format.js";
import { template } from "./longhaul-dom.js";

const ROW = template(`
<li part="row" tabindex="-1">
  <div class="head">
    <span class="names"><span part="path"></span><span part="name"></span></span>
    <span part="size"></span>
  </div>
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
</li>`);

// Which buttons a state offers, and what is said of it where it has no figures to show.
const STATES = {
  queued: { buttons: ["pause", "cancel"], words: "Waits for the files before it" },
  elsewhere: { buttons: ["cancel"], words: "Another tab is sending this file" },
  opening: { buttons: ["pause", "cancel"], words: "Starting" },
  uploading: { buttons: ["pause", "cancel"], words: "Uploading" },
  verifying: { buttons: ["pause", "cancel"], words: "Comparing what was sent earlier with the file" },
  sealing: { buttons: ["cancel"], words: "Finishing" },
  waiting: { buttons: ["resume", "pause", "cancel"], words: "Waiting" },
  renewing: { buttons: ["pause", "cancel"], words: "Waiting for a new permission" },
  paused: { buttons: ["resume", "cancel"], words: "Paused" },
  cancelling: { buttons: ["cancel"], words: "Cancelling" },
  done: { buttons: ["clear"], words: "Done" },
  failed: { buttons: ["resume", "cancel"], words: "Failed" },
  cancelled: { buttons: ["clear"], words: "Cancelled" },
};
const OVER = new Set(["done", "cancelled"]);
// Those that are no time of the upload's own.
const BEFORE = new Set(["queued", "elsewhere"]);
const RESUME_WORDS = { waiting: "Try now", failed: "Try again" };
// Those to which anything is done, in the order of their buttons.
const ACTIONS = ["pause", "resume", "cancel", "clear"];

// What is known of one file.
export class Entry {
  name = "";
  // The folders it lies in, with a slash at the end.
  path = "";
  size;
  // Of the last event of each kind.
  detail;
  progress;
  error = "";
  link;
  // By what it is found after a reload, if it is.
  kept;
  // When it had its turn first.
  started;

  constructor(id, isHeld) {
    // `isHeld()` says whether nothing has its turn until all are resumed.
    [this.id, this.isHeld] = [id, isHeld];
  }

  // Where it stands, to somebody who looks.
  get state() {
    const state = this.detail?.state ?? "queued";
    return state === "queued" && this.isHeld() ? "paused" : state;
  }

  get isOver() {
    return OVER.has(this.detail?.state);
  }

  get words() {
    return STATES[this.state].words;
  }

  came(detail) {
    this.detail = detail;
    this.error = "";
    if (!BEFORE.has(detail.state)) this.started ??= performance.now();
    this.took = performance.now() - this.started;
  }

  failed({ message, advice }) {
    this.error = [message, advice].filter(Boolean).map(sentence).join(" ");
  }
}

// A row whose buttons call `act(action, entry)`.
export function makeRow(entry, act) {
  const row = ROW.content.cloneNode(true).firstElementChild;
  for (const action of ACTIONS) {
    part(row, action).addEventListener("click", () => act(action, entry));
  }
  return row;
}

export function showRow(row, entry) {
  const { activeElement } = row.getRootNode();
  const hadFocus = activeElement !== null && activeElement !== row && row.contains(activeElement);
  if (row.dataset.state !== entry.state) showState(row, entry);
  put(part(row, "path"), entry.path);
  put(part(row, "name"), entry.name);
  part(row, "name").title = entry.path + entry.name;
  put(part(row, "size"), entry.size === undefined ? "" : bytes(entry.size));
  part(row, "progress").value = share(entry);
  put(part(row, "status"), status(entry));
  put(part(row, "error"), entry.error);
  showLink(row, entry);
  // The button that had it may be gone.
  if (hadFocus && activeElement.hidden) (row.querySelector("button:not([hidden])") ?? row).focus();
}

function showState(row, entry) {
  const { state, name } = entry;
  row.dataset.state = state;
  part(row, "progress").setAttribute("aria-label", name);
  for (const action of ACTIONS) {
    const button = part(row, action);
    button.hidden = !STATES[state].buttons.includes(action);
    if (action === "resume") button.textContent = RESUME_WORDS[state] ?? "Resume";
    button.setAttribute("aria-label", `${button.textContent}: ${name}`);
  }
}

function showLink(row, { link, name }) {
  const anchor = part(row, "link");
  anchor.hidden = !link;
  if (!link || anchor.href === link.url) return;
  anchor.href = link.url;
  anchor.download = link.name;
  anchor.setAttribute("aria-label", `Download: ${name}`);
}

function part(row, name) {
  return row.querySelector(`[part=${name}]`);
}

// Text that is put again although it is there makes the browser lay it out again.
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Of the bar, from 0 to 1.
export function share({ progress, detail }) {
  if (detail?.state === "done") return 1;
  if (!progress?.total) return 0;
  const { acknowledged, inFlight, total } = progress;
  // What is in flight may be in a buffer of this machine only: all of it is there once the server says so.
  return acknowledged >= total ? 1 : Math.min(.99, (acknowledged + inFlight) / total);
}

// The line under the bar.
function status(entry) {
  const { detail, progress, state, words } = entry;
  switch (state) {
    case "uploading": return [percent(share(entry)), ...pace(progress)].join(" · ");
    case "paused":
    case "queued":
      return progress?.acknowledged ? `${words} · ${percent(share(entry))}` : words;
    case "waiting": {
      if (!navigator.onLine) return "This device is offline. It goes on when the network is back";
      const ms = detail.retryAt - Date.now();
      return `${sentence(detail.message)} Waiting, next try in ${duration(Math.ceil(ms / 1000) * 1000)}`;
    }
    case "elsewhere": return sentence(detail.message);
    case "done": return done(entry);
    default: return words;
  }
}

function done({ progress, took }) {
  const instant = progress?.total && progress.reused >= progress.total;
  return instant ? "Done · the server had all of it already" : `Done in ${duration(took)}`;
}

// How fast, and how long to go; what of it is known.
export function pace(progress) {
  const { rate, leftMs } = progress ?? {};
  return [rate && `${bytes(rate)}/s`, leftMs && `${duration(leftMs)} left`].filter(Boolean);
}

function sentence(text) {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
