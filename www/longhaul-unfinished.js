// What an earlier visit to the page has not finished, or another device, and can be gone on with by one click each.
import { template } from "./longhaul-dom.js";
import { ask } from "./longhaul-earlier.js";
import { forget, keyOf, looksOf } from "./longhaul-handles.js";
import { trouble } from "./longhaul-row.js";
import { apart, shown, speak } from "./longhaul-words.js";

const FRAME = template(`
<section part="unfinished" aria-labelledby="unfinished-title" hidden>
  <div class="head">
    <strong id="unfinished-title" data-say="unfinished"></strong>
    <button type="button" part="resume-unfinished" data-say="resume-unfinished" hidden></button>
  </div>
  <ul role="list"></ul>
</section>`);

const ROW = template(`
<li part="unfinished-row">
  <span class="names"><bdi part="name"></bdi></span>
  <bdi part="size"></bdi>
  <span class="buttons">
    <button type="button" part="resume" data-say="resume"></button>
    <button type="button" part="forget" data-say="forget"></button>
  </span>
</li>`);

// What a server says that has no such upload any more.
const GONE = new Set(["not-found", "expired"]);

export class Unfinished {
  #section = FRAME.content.cloneNode(true).firstElementChild;
  // By the key of the file.
  #rows = new Map();
  #page;

  // `page` has the `settings`; `authorization()`; `words()`; `opened(file, handle)` and `take(files)` for what is gone on
  // with; `choose()`, which asks for a file; `focus()`, which takes the focus of the last row that goes; and `notify(text)`.
  constructor(page) {
    this.#page = page;
    this.#all.addEventListener("click", () => this.#resumeAll());
  }

  get element() {
    return this.#section;
  }

  get #all() {
    return this.#section.querySelector("[part=resume-unfinished]");
  }

  // These, and nothing else.
  show(all) {
    for (const { row } of this.#rows.values()) row.remove();
    this.#rows.clear();
    speak(this.#section, this.#page.words());
    this.#section.lang = this.#page.words().language;
    for (const kept of all) this.#add(kept);
    this.#changed();
  }

  // What has that key, or looks like that, is in the list of uploads now, or forgotten.
  remove(known) {
    const key = [...this.#rows.values()].find(({ kept }) => kept.id && looksOf(kept) === known)?.kept.key ?? known;
    const row = this.#rows.get(key)?.row;
    if (!row) return;
    const hadFocus = row.contains(row.getRootNode().activeElement);
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    this.#rows.delete(key);
    this.#changed();
    if (hadFocus) (next?.querySelector("button") ?? this.#page).focus();
  }

  #add(kept) {
    const row = ROW.content.cloneNode(true).firstElementChild;
    const words = this.#page.words();
    speak(row, words);
    const name = row.querySelector("[part=name]");
    name.textContent = name.title = shown(kept.name);
    row.querySelector("[part=size]").textContent = words.bytes(kept.size);
    const resume = row.querySelector("[part=resume]");
    if (!kept.handle) resume.textContent = words.say("choose-again");
    if (kept.id) row.querySelector("[part=forget]").textContent = words.say("cancel");
    resume.addEventListener("click", () => this.#resume(kept));
    row.querySelector("[part=forget]").addEventListener("click", () => this.#forget(kept));
    for (const button of row.querySelectorAll("button")) {
      button.setAttribute("aria-label", words.say("button-of", { button: button.textContent, name: name.title }));
    }
    this.#rows.set(kept.key, { row, kept });
    this.#section.querySelector("ul").append(row);
  }

  #changed() {
    this.#section.hidden = !this.#rows.size;
    this.#all.hidden = this.#openable.length < 2;
  }

  get #openable() {
    return [...this.#rows.values()].map(({ kept }) => kept).filter(({ handle }) => handle);
  }

  async #resumeAll() {
    for (const kept of this.#openable) if (!await this.#resume(kept)) return;
  }

  // What is on the server stays in the list until that has given it up.
  async #forget({ key, id, name }) {
    this.#page.notify("");
    const words = this.#page.words();
    const why = id && await refusal(this.#page, id);
    if (why) return this.#say("unfinished-kept", { name, reason: trouble(words, why) });
    this.remove(key);
    return id || forget(key);
  }

  // Whether it was allowed, or there is nothing left to allow.
  async #resume(kept) {
    const { name, handle } = kept;
    if (!handle) return this.#page.choose();
    try {
      const file = await fileOf(kept);
      if (!file) return this.#say("unfinished-denied", { name });
      this.#page.opened(file, handle);
      await this.#page.take([file]);
      // It may be another by now, whose upload is another.
      if (keyOf(this.#page.settings.endpoint, file) !== kept.key) await forget(kept.key);
    } catch (error) {
      if (error.name !== "NotFoundError") return this.#say("unfinished-unopened", { name, reason: error.message });
      await forget(kept.key);
      this.#say("unfinished-gone", { name });
    }
    this.remove(kept.key);
    return true;
  }

  #say(text, { name, reason }) {
    this.#page.notify(this.#page.words().say(text, { name: apart(name), reason }));
    return false;
  }
}

// The file, once who sits there has allowed it; within a click. Nothing if he has not.
async function fileOf({ handle }) {
  const granted = await handle.requestPermission({ mode: "read" });
  return granted === "granted" ? handle.getFile() : undefined;
}

// Why the server has not given an upload up, as an error tells it; nothing if it has.
async function refusal(page, id) {
  try {
    await page.authorization();
  } catch ({ message }) {
    return { message };
  }
  try {
    const answer = await ask(page, `/v1/uploads/${id}`, "DELETE");
    // And no other: a sign-in page of a hotel's answers 200 to everything.
    return answer.status === 204 ? undefined : problem(answer.status, await answer.text());
  } catch {
    return { code: "network", message: "no answer from the server", advice: "try again when the network is back" };
  }
}

// What an answer says, as an error tells it; nothing if there is no such upload any more.
function problem(status, text) {
  try {
    const { code, title, detail, advice } = JSON.parse(text);
    if (GONE.has(code)) return undefined;
    if (code && title) return { code, message: [title, detail].filter(Boolean).join(": "), advice: `${advice ?? ""}` };
  } catch {
    // Whoever said it is no Longhaul server either.
  }
  const message = `status ${status} from something that is no Longhaul server`;
  return { code: "nonsense", message, advice: "look at what stands between, a proxy or a sign-in page" };
}
