// What the elements say, in the language of where they stand. A language is a plain object of the same keys as
// `ENGLISH`; what it leaves out is said in English. In a text `{name}` is what it is about, and a text that depends
// on a number `n` is an object with one for each of the language's plural categories (`Intl.PluralRules`).
// Numbers, sizes and times are written by `Intl`.

export const ENGLISH = {
  "choose-one": "Choose a file",
  "choose-many": "Choose files",
  "drop-one": "or drop it here",
  "drop-many": "or drop them here, folders too",
  "choose-folder": "Choose a folder",
  "take-photo": "Take a photo",
  uploads: "Uploads",
  pause: "Pause",
  resume: "Resume",
  start: "Start",
  "try-now": "Try now",
  "try-again": "Try again",
  cancel: "Cancel",
  clear: "Clear",
  forget: "Forget",
  link: "Download",
  // A button, and what it is about.
  "button-of": "{button}: {name}",
  "state-of": "{name}: {state}",

  "state-queued": "Waits for the files before it",
  "state-elsewhere": "Another tab is sending this file",
  "state-opening": "Starting",
  "state-uploading": "Uploading",
  "state-verifying": "Comparing what was sent earlier with the file",
  "state-sealing": "Finishing",
  "state-waiting": "Waiting",
  "state-renewing": "Waiting for a new permission",
  "state-paused": "Paused",
  "state-ready": "Ready",
  "state-cancelling": "Cancelling",
  "state-done": "Done",
  "state-failed": "Failed",
  "state-cancelled": "Cancelled",
  left: "{time} left",
  offline: "This device is offline. It goes on when the network is back",
  "next-try": "{reason} Waiting, next try in {time}",
  instant: "Done · the server had all of it already",
  "done-in": "Done in {time}",

  all: "All files",
  "pause-all": "Pause all",
  "resume-all": "Resume all",
  "start-all": "Start all",
  "retry-all": "Try the failed again",
  "show-failed": "Show what failed",
  "clear-all": "Clear what is over",
  "cancel-all": "Cancel all",
  "files-done": { one: "{done} of {n} file", other: "{done} of {n} files" },
  "files-failed": "{files} · {failed} failed",
  "bytes-of": "{moved} of {total}",
  "sure-cancel": { one: "Give up one file that is not finished?", other: "Give up {n} files that are not finished?" },

  unfinished: "Not finished last time",
  "resume-unfinished": "Resume all",
  "choose-again": "Choose it again",
  "unfinished-denied": "The browser was not allowed to read {name}. Resume it again and allow it, or choose the file.",
  "unfinished-unopened": "The browser could not open {name} ({reason}). Choose the file, and what was uploaded is found.",
  "unfinished-kept": "The file {name} could not be given up on the server. {reason}",
  "unfinished-gone": "The file {name} is no longer where it was. Choose it where it is now, and what was uploaded is found.",

  unloaded: "The uploader could not be loaded ({reason}). Reload the page; if that does not help, its files are incomplete on the server.",
  unstarted: "The uploader could not be started: {reason}.",
  "only-one": "Only one file can be uploaded here; {name} was taken.",
  "no-folders": "A folder cannot be dropped here; open it and drop the file that is meant.",
  "folders-empty": {
    one: "One folder is empty and has nothing to upload: {names}.",
    other: "{n} folders are empty and have nothing to upload: {names}.",
  },
  unreadable: "What the browser may not read was left out: {names}.",
  "too-large": "Larger than the {size} that a file may have here, and left out: {names}.",
  "not-accepted": "Of a kind that is not taken here, and left out: {names}.",
  "names-more": { one: "{names} and one more", other: "{names} and {n} more" },
  "form-unfinished": "Wait until every upload is finished, or take out what is not to be sent.",
  "nothing-chosen": "Choose a file.",
};

const languages = new Map([["en", ENGLISH]]);
const listeners = new Set();
const made = new Map();

// Adds a language, or changes what is said in one: `addWords("de", { pause: "Anhalten" })`.
export function addWords(language, words) {
  const key = language.toLowerCase();
  languages.set(key, { ...languages.get(key), ...words });
  made.clear();
  for (const listener of listeners) listener();
}

// Calls it whenever words have come, until the function that it returns is called.
export function whenWords(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// The words of where an element stands: of the nearest `lang` around it, else of the browser.
export function wordsOf(element) {
  const language = languageOf(element);
  if (!made.has(language)) made.set(language, new Words(language));
  return made.get(language);
}

function languageOf(element) {
  for (let at = element; at; at = at.getRootNode().host) {
    const named = at.closest("[lang]")?.lang;
    if (named) return named;
  }
  return navigator.language || "en";
}

// A page may have written anything there.
function canonical(language) {
  try {
    return Intl.getCanonicalLocales(language)[0];
  } catch {
    return undefined;
  }
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte", "petabyte"];
const UNITS_OF_TIME = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];
const SHORT = { unitDisplay: "short" };

class Words {
  #texts = languages.get("en");
  #locale = "en";
  #formats = new Map();

  constructor(language) {
    for (let tag = language.toLowerCase(); tag; tag = tag.slice(0, Math.max(0, tag.lastIndexOf("-")))) {
      if (!languages.has(tag)) continue;
      this.#texts = { ...languages.get("en"), ...languages.get(tag) };
      this.#locale = canonical(language) ?? tag;
      return;
    }
  }

  // The language they are in.
  get language() {
    return this.#locale;
  }

  // The text of that name, with these values in their places; nothing where there is none.
  say(name, values = {}) {
    const given = this.#texts[name];
    const text = typeof given === "object"
      ? given[this.#format("PluralRules").select(values.n)] ?? given.other
      : given;
    return text?.replace(/\{(\w+)\}/g, (_, key) => {
      const value = values[key];
      return typeof value === "number" ? this.count(value) : value ?? "";
    });
  }

  count(number) {
    return this.#format("NumberFormat").format(number);
  }

  // Rounded down: 100 % is only said of what is all there.
  percent(share) {
    return this.#format("NumberFormat", { style: "percent" }).format(Math.floor(share * 100) / 100);
  }

  // 1000 to the step, as file managers and network providers count; three digits.
  bytes(count, per = "") {
    let unit = 0;
    while (count >= 999.5 && unit < UNITS.length - 1) {
      count /= 1000;
      unit += 1;
    }
    const digits = unit === 0 || count >= 99.95 ? 0 : count >= 9.995 ? 1 : 2;
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    return this.#unit(count, UNITS[unit] + per, { ...options, unitDisplay: unit || per ? "short" : "long" });
  }

  rate(bytes) {
    return this.bytes(bytes, "-per-second");
  }

  // The two largest units that say something; never "0 s" for what is still to come.
  duration(ms) {
    const all = Math.max(1, Math.round(ms / 1000));
    const at = UNITS_OF_TIME.findIndex(([, seconds]) => all >= seconds);
    const [[unit, seconds], next] = UNITS_OF_TIME.slice(at);
    const count = Math.floor(all / seconds);
    const parts = [this.#unit(count, unit, SHORT)];
    // Nobody counts the seconds of what takes ten minutes.
    const rest = next && !(unit === "minute" && count >= 10) && Math.floor(all % seconds / next[1]);
    if (rest) parts.push(this.#unit(rest, next[0], SHORT));
    return this.list(parts);
  }

  list(texts) {
    return this.#format("ListFormat", { style: "narrow", type: "unit" }).format(texts);
  }

  #unit(number, unit, options) {
    return this.#format("NumberFormat", { style: "unit", unit, ...options }).format(number);
  }

  // Making one takes as long as using it a hundred times.
  #format(kind, options) {
    const key = kind + JSON.stringify(options);
    if (!this.#formats.has(key)) this.#formats.set(key, new Intl[kind](this.#locale, options));
    return this.#formats.get(key);
  }
}

// Puts the words of a template in their places: what `data-say` names is the text, with the values that stand beside it
// in the same way, and `data-label` the label.
export function speak(root, words) {
  // The page around an element may be in another, and a voice that reads them has to know.
  for (const part of root.host ? root.children : []) part.lang = words.language;
  for (const element of root.querySelectorAll("[data-say]")) {
    element.textContent = words.say(element.dataset.say, element.dataset);
  }
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", words.say(element.dataset.label));
  }
}

// A name as it is sent: without what turns the direction of the text behind it, which could show one ending for another.
export function shown(name) {
  return name.replace(/[\u200E\u200F\u202A-\u202E\u2066-\u2069]/g, "_");
}

// The same in the middle of a text, which keeps its own direction.
export function apart(name) {
  return `\u2068${shown(name)}\u2069`;
}

// A sentence of what was told without its capital and its full stop.
export function sentence(text) {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?。！？]$/.test(start) ? start : `${start}.`;
}
