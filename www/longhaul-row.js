// One file's row: what is known of the file, and how that is shown.
import { put, template } from "./longhaul-dom.js";
import { sentence, shown, speak } from "./longhaul-words.js";

const ROW = template(`
<li part="row" tabindex="-1">
  <div class="head">
    <canvas part="thumbnail" aria-hidden="true" hidden></canvas>
    <span class="names"><bdi part="path"></bdi><bdi part="name"></bdi></span>
    <bdi part="size"></bdi>
  </div>
  <progress part="progress" max="1" value="0"></progress>
  <div class="foot">
    <span class="standing"><bdi part="status"></bdi></span>
    <span class="buttons">
      <a part="link" data-say="link" download hidden></a>
      <button type="button" part="pause" data-say="pause"></button>
      <button type="button" part="resume" hidden></button>
      <button type="button" part="cancel" data-say="cancel"></button>
      <button type="button" part="clear" data-say="clear" hidden></button>
    </span>
  </div>
  <p part="error" dir="auto"></p>
</li>`);

// Which buttons a state offers.
const BUTTONS = {
  queued: ["pause", "cancel"],
  elsewhere: ["cancel"],
  opening: ["pause", "cancel"],
  uploading: ["pause", "cancel"],
  verifying: ["pause", "cancel"],
  sealing: ["cancel"],
  waiting: ["resume", "pause", "cancel"],
  renewing: ["pause", "cancel"],
  paused: ["resume", "cancel"],
  cancelling: ["cancel"],
  done: ["clear"],
  failed: ["resume", "cancel"],
  cancelled: ["clear"],
};
const OVER = new Set(["done", "cancelled"]);
// Those that are no time of the upload's own.
const BEFORE = new Set(["queued", "elsewhere"]);
const RESUME_WORDS = { waiting: "try-now", failed: "try-again" };
// Those to which anything is done, in the order of their buttons.
const ACTIONS = ["pause", "resume", "cancel", "clear"];

// Pictures that every browser draws, and none runs.
const PICTURES = /^image\/(png|jpeg|gif|webp|avif|bmp)$/;
// Larger files are not drawn, bytes: few photos are, and drawing one takes twenty times its file's memory.
const PICTURE_MAX = 16 * 1024 * 1024;

// What is known of one file.
export class Entry {
  // The folders it lies in, with a slash at the end.
  path = "";
  size;
  // Of the last event of each kind.
  detail;
  progress;
  error;
  link;
  // The file, if it is one that a small picture can be drawn of.
  picture;
  // By what it is found after a reload, if it is.
  kept;
  // When it had its turn first.
  started;

  // `page` has `isHeld()`, whether nothing has its turn until all are resumed; `isBegun()`, whether anything ever
  // had; and `words()`.
  constructor(id, name, page) {
    [this.id, this.name, this.page] = [id, name, page];
  }

  // Where it stands, to somebody who looks.
  get state() {
    const state = this.detail?.state ?? "queued";
    return state === "queued" && this.page.isHeld() ? "paused" : state;
  }

  // The file was picked here, and lies below these folders.
  is(file, path) {
    this.path = shown(path.slice(0, path.lastIndexOf("/") + 1));
    this.size = file.size;
    if (PICTURES.test(file.type) && file.size <= PICTURE_MAX) this.picture = file;
  }

  get isOver() {
    return OVER.has(this.detail?.state);
  }

  get words() {
    return this.page.words();
  }

  // The same in words.
  get standing() {
    const isReady = this.state === "paused" && !this.page.isBegun();
    return this.words.say(`state-${isReady ? "ready" : this.state}`);
  }

  came(detail) {
    this.detail = detail;
    this.error = undefined;
    if (!BEFORE.has(detail.state)) this.started ??= performance.now();
    this.took = performance.now() - this.started;
  }

  failed(detail) {
    this.error = detail;
  }
}

// What went wrong, in the page's language if it has words for it.
export function trouble(words, { code, message, advice }) {
  return words.say(`error-${code}`) ?? [message, advice].filter(Boolean).map(sentence).join(" ");
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
  const { words } = entry;
  const { activeElement } = row.getRootNode();
  const hadFocus = activeElement !== null && activeElement !== row && row.contains(activeElement);
  if (row.dataset.state !== entry.state || row.words !== words) showState(row, entry);
  put(part(row, "path"), entry.path);
  put(part(row, "name"), entry.name);
  part(row, "name").title = entry.path + entry.name;
  put(part(row, "size"), entry.size === undefined ? "" : words.bytes(entry.size));
  part(row, "progress").value = share(entry);
  put(part(row, "status"), status(entry));
  put(part(row, "error"), entry.error ? trouble(words, entry.error) : "");
  showLink(row, entry);
  if (entry.picture && !row.picture) showPicture(row, entry);
  // The button that had it may be gone.
  if (hadFocus && activeElement.hidden) (row.querySelector("button:not([hidden])") ?? row).focus();
}

function showState(row, entry) {
  const { state, name, words } = entry;
  row.dataset.state = state;
  if (row.words !== words) speak(row, words);
  row.words = words;
  part(row, "progress").setAttribute("aria-label", name);
  for (const action of ACTIONS) {
    const button = part(row, action);
    button.hidden = !BUTTONS[state].includes(action);
    if (action === "resume") button.textContent = words.say(resumeWord(entry));
    button.setAttribute("aria-label", words.say("button-of", { button: button.textContent, name }));
  }
}

// What draws is loaded when there is something to draw, and not missed where it cannot be.
async function showPicture(row, { picture }) {
  row.picture = picture;
  const { showThumbnail } = await import("./longhaul-thumbnail.js").catch(() => ({}));
  showThumbnail?.(part(row, "thumbnail"), picture);
}

function resumeWord({ state, page }) {
  return RESUME_WORDS[state] ?? (page.isBegun() ? "resume" : "start");
}

function showLink(row, { link, name, words }) {
  const anchor = part(row, "link");
  anchor.hidden = !link;
  if (!link) return;
  if (anchor.href !== link.url) anchor.href = link.url;
  anchor.download = link.name;
  anchor.setAttribute("aria-label", words.say("button-of", { button: anchor.textContent, name }));
}

function part(row, name) {
  return row.querySelector(`[part=${name}]`);
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
  const { detail, progress, state, words, standing } = entry;
  switch (state) {
    case "uploading": return [words.percent(share(entry)), ...pace(words, progress)].join(" · ");
    case "paused":
    case "queued":
      return progress?.acknowledged ? `${standing} · ${words.percent(share(entry))}` : standing;
    case "waiting": return waiting(words, detail);
    case "elsewhere": return words.say("error-elsewhere") ?? sentence(detail.message);
    case "done": return done(entry);
    default: return standing;
  }
}

function waiting(words, detail) {
  if (!navigator.onLine) return words.say("offline");
  const ms = detail.retryAt - Date.now();
  const time = words.duration(Math.ceil(ms / 1000) * 1000);
  return words.say("next-try", { reason: trouble(words, detail), time });
}

function done({ words, progress, took }) {
  const isInstant = progress?.total && progress.reused >= progress.total;
  return isInstant ? words.say("instant") : words.say("done-in", { time: words.duration(took) });
}

// How fast, and how long to go; what of it is known.
export function pace(words, progress) {
  const { rate, leftMs } = progress ?? {};
  return [rate && words.rate(rate), leftMs && words.say("left", { time: words.duration(leftMs) })].filter(Boolean);
}
