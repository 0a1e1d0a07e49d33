// In the place of the client on a page of which a picture is taken: it does nothing, and tells what is to be seen.
export async function load() {}

export class Uploader extends EventTarget {
  #next = 1;

  constructor() {
    super();
    window.tell = (type, detail) => this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  add() {
    this.#next += 1;
    return this.#next - 1;
  }

  chunks() {
    return window.chunks;
  }

  async authorization() {}
  prepare() {}
  pauseAll() {}
  resumeAll() {}
  setRateMax() {}
  free() {}
}
