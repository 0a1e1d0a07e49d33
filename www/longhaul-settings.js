// What the attributes of <longhaul-upload> come to.

const LEVELS = ["silent", "error", "warn", "info", "debug"];

export class Settings {
  #element;

  constructor(element) {
    this.#element = element;
  }

  get accept() {
    return this.#get("accept") ?? "";
  }

  get endpoint() {
    return this.#get("endpoint") ?? "";
  }

  // Whether what is picked waits for somebody to start it.
  get isHeld() {
    return this.#get("auto-start") === "false";
  }

  get keeps() {
    return !this.#has("forget-files");
  }

  get leavesQuietly() {
    return this.#has("leave-quietly");
  }

  get many() {
    return this.#has("multiple") || this.folders;
  }

  get folders() {
    return this.#has("directory");
  }

  // Where people point with a finger; others have no camera at hand.
  get photos() {
    return this.#has("camera") && matchMedia("(pointer: coarse)").matches;
  }

  get name() {
    return this.#get("name");
  }

  get required() {
    return this.#has("required");
  }

  get rateMax() {
    return this.#number("rate-max", "is limited");
  }

  get sizeMax() {
    return this.#number("max-size", "is too large") ?? Infinity;
  }

  // What an `Uploader` is made with.
  forUploader(token) {
    return {
      endpoint: this.endpoint,
      token,
      filesAtOnce: Math.round(this.#get("files-at-once")) || undefined,
      rateMax: this.rateMax,
      verifySource: this.#has("verify-source"),
      logLevel: LEVELS.find((level) => level === this.#get("log-level")),
    };
  }

  #has(name) {
    return this.#element.hasAttribute(name);
  }

  #get(name) {
    return this.#element.getAttribute(name);
  }

  #number(name, what) {
    const given = this.#get(name);
    const number = Number(given);
    if (given && !(number > 0)) console.error(`longhaul-upload: ${name}="${given}" is not a number of bytes; nothing ${what}`);
    return number > 0 ? number : undefined;
  }
}
