// What a screen reader says: the last of each file, and not faster than it can be heard.

// So long is collected before anything is said, milliseconds: what passes meanwhile need not be heard.
const PAUSE_MS = 700;
// How many files are told of at once.
const TOLD_MAX = 3;

export class Announcer {
  #region;
  #due = new Map();
  #timer;

  // `region` is the live region that is read out.
  constructor(region) {
    this.#region = region;
  }

  // `about` is what a later text takes the place of an earlier one for.
  say(about, text) {
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
