// What a screen reader says: the last of each file, and not faster than it can be heard.
import { share, trouble } from "./longhaul-row.js";
import { files } from "./longhaul-total.js";

// So long is collected before anything is said, milliseconds: what passes meanwhile need not be heard.
const PAUSE_MS = 700;
// How many files are told of at once.
const TOLD_MAX = 3;

export class Announcer {
  #region;
  #page;
  #due = new Map();
  #timer;

  // `region` is the live region that is read out; `page` has `words()` and `isFew()`, whether the files are so few
  // that each can be told of.
  constructor(region, page) {
    [this.#region, this.#page] = [region, page];
  }

  // A file stands elsewhere. Of many only what needs a person is said one by one.
  state(entry) {
    if (!this.#page.isFew() && entry.state !== "failed") return;
    const why = entry.error && trouble(this.#page.words(), entry.error);
    this.#of(entry, [entry.standing, why].filter(Boolean).join(". "));
  }

  // A file is further: a person who does not see the bar hears of each quarter.
  progress(entry) {
    const quarter = Math.floor(share(entry) * 4);
    if (entry.state !== "uploading" || quarter <= (entry.quarter ?? 0) || !this.#page.isFew()) return;
    entry.quarter = quarter;
    this.#of(entry, this.#page.words().percent(quarter / 4));
  }

  // Nothing moves any more.
  rest(total) {
    if (!this.#page.isFew()) this.#say(this, files(this.#page.words(), total));
  }

  #of(entry, state) {
    this.#say(entry, this.#page.words().say("state-of", { name: entry.path + entry.name, state }));
  }

  // `about` is what a later text takes the place of an earlier one for.
  #say(about, text) {
    // Behind those that are due already.
    this.#due.delete(about);
    this.#due.set(about, text);
    this.#timer ??= setTimeout(() => this.#tell(), PAUSE_MS);
  }

  #tell() {
    this.#timer = undefined;
    const [...due] = this.#due.values();
    this.#due.clear();
    // Of many at once the last: all files together are told of when they are over.
    this.#region.textContent = due.slice(-TOLD_MAX).join(". ");
  }
}
