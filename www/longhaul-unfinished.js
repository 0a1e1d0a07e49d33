// What an earlier visit to the page has not finished, and can be gone on with by one click each.
import { bytes } from "./format.js";
import { template } from "./longhaul-dom.js";

const FRAME = template(`
<section part="unfinished" aria-labelledby="unfinished-title" hidden>
  <div class="head">
    <strong id="unfinished-title">Not finished last time</strong>
    <button type="button" part="resume-unfinished" hidden>Resume all</button>
  </div>
  <ul role="list"></ul>
</section>`);

const ROW = template(`
<li part="unfinished-row">
  <span class="names"><span part="name"></span></span>
  <span part="size"></span>
  <span class="buttons">
    <button type="button" part="resume">Resume</button>
    <button type="button" part="forget">Forget</button>
  </span>
</li>`);

export class UnfinishedList {
  #section = FRAME.content.cloneNode(true).firstElementChild;
  // By the key of the file.
  #rows = new Map();
  #act;

  // Its buttons call `act(action, [kept])`, with `resume` or `forget`.
  constructor(act) {
    this.#act = act;
    this.#all.addEventListener("click", () => act("resume", [...this.#rows.values()].map(({ kept }) => kept)));
  }

  get element() {
    return this.#section;
  }

  get #all() {
    return this.#section.querySelector("[part=resume-unfinished]");
  }

  // These, and no others.
  show(unfinished) {
    for (const { row } of this.#rows.values()) row.remove();
    this.#rows.clear();
    for (const kept of unfinished) this.#add(kept);
    this.#changed();
  }

  // It is in the list of uploads now, or forgotten.
  remove(key) {
    const row = this.#rows.get(key)?.row;
    if (!row) return;
    const hadFocus = row.contains(row.getRootNode().activeElement);
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.#rows.delete(key);
    this.#changed();
    if (hadFocus) next?.querySelector("button").focus();
  }

  #add(kept) {
    const row = ROW.content.cloneNode(true).firstElementChild;
    const name = row.querySelector("[part=name]");
    name.textContent = name.title = kept.name;
    row.querySelector("[part=size]").textContent = bytes(kept.size);
    for (const action of ["resume", "forget"]) {
      const button = row.querySelector(`[part=${action}]`);
      button.setAttribute("aria-label", `${button.textContent}: ${kept.name}`);
      button.addEventListener("click", () => this.#act(action, [kept]));
    }
    this.#rows.set(kept.key, { row, kept });
    this.#section.querySelector("ul").append(row);
  }

  #changed() {
    this.#section.hidden = !this.#rows.size;
    this.#all.hidden = this.#rows.size < 2;
  }
}
