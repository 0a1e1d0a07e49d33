// What a page owes the person in front of it while files move: it asks before it is left, keeps the
// screen on through what takes long, and has the browser keep what it notes. None of it may fail an
// upload, so every refusal is heard and nothing waits for an answer.

// An upload that takes longer than this is a long one, milliseconds: a screen is seldom off sooner.
const LONG_MS = 5_000;

export class Polite {
  #mayAsk = () => true;
  #moves = false;
  #long;
  #lock;

  // `mayAsk()` says whether leaving the page may be asked about.
  constructor(mayAsk) {
    this.#mayAsk = mayAsk;
  }

  // Whether anything moves.
  set moves(moves) {
    if (moves === this.#moves) return;
    this.#moves = moves;
    if (moves) {
      addEventListener("beforeunload", this.#leaving);
      this.#long = setTimeout(this.#keepOn, LONG_MS);
      document.addEventListener("visibilitychange", this.#seen);
    } else {
      removeEventListener("beforeunload", this.#leaving);
      clearTimeout(this.#long);
      document.removeEventListener("visibilitychange", this.#seen);
      this.#letGo();
    }
  }

  #leaving = (event) => {
    if (!this.#mayAsk()) return;
    event.preventDefault();
    // What older browsers go by.
    event.returnValue = true;
  };

  #keepOn = () => {
    this.#long = undefined;
    keepNotes();
    this.#lockScreen();
  };

  // A hidden page has lost its lock.
  #seen = () => {
    if (this.#long === undefined && document.visibilityState === "visible") this.#lockScreen();
  };

  async #lockScreen() {
    // Refused where the page is hidden or the battery is low, not there without TLS.
    const lock = await Promise.resolve(navigator.wakeLock?.request("screen")).catch(() => undefined);
    this.#letGo();
    this.#lock = lock;
    if (!this.#moves) this.#letGo();
  }

  #letGo() {
    this.#lock?.release().catch(() => {});
    this.#lock = undefined;
  }
}

// Only where a handle of the file is kept, which is where this asks nobody: Firefox would ask the
// person, and never answer if they do not.
function keepNotes() {
  if (!("showOpenFilePicker" in globalThis)) return;
  Promise.resolve(navigator.storage?.persist?.()).catch(() => {});
}
