// Where files come from: a dialog, a chosen folder, a drop. And of those that are not yet uploaded, the
// handles by which the page can ask for them again after a reload.
import { template } from "./longhaul-dom.js";
import { one, tree } from "./longhaul-take.js";

// Whether anything can be kept.
export const canKeep = typeof indexedDB === "object" && "locks" in (globalThis.navigator ?? {});
// Whether this browser lets a page ask again for a file that was picked before.
const canAsk = canKeep && typeof showOpenFilePicker === "function"
  && "requestPermission" in (globalThis.FileSystemFileHandle?.prototype ?? {});
// How many are kept at once: a person resumes a few large files by name, not thousands.
export const KEPT_MAX = 100;

const FRAME = template(`
<div part="drop">
  <strong id="prompt"></strong>
  <span id="hint"></span>
  <input type="file" aria-labelledby="prompt" aria-describedby="hint" title="">
  <div class="buttons">
    <button type="button" part="choose-folder" data-say="choose-folder" hidden></button>
    <button type="button" part="take-photo" data-say="take-photo" hidden></button>
  </div>
</div>
<input id="folder" type="file" webkitdirectory multiple hidden>
<input id="photo" type="file" accept="image/*" capture="environment" hidden>`);

// What somebody does who is about to pick, which takes longer than starting all the workers there can be.
const ABOUT_TO_PICK = ["pointerenter", "focusin", "click", "dragenter"];

export class Picker {
  // What is clicked, focused and dropped on.
  input;
  #root;
  #folder;
  #page;
  // Promises of the handles of files that were just picked.
  #handles = new WeakMap();

  // `root` is what it is put into, before all else. `page` has the `settings`; `rests()`, whether nothing may be picked now;
  // `prepare()`, called when somebody is about to pick; and `take(files, notice)`, which takes in any iterable of what
  // `tree` finds, or of files, and is told the name of the words that are to be said first.
  constructor(root, page) {
    [this.#root, this.#page] = [root, page];
    root.prepend(FRAME.content.cloneNode(true));
    this.input = root.querySelector("input");
    const [folder, photo] = ["folder", "photo"].map((id) => root.getElementById(id));
    this.#folder = folder;
    for (const each of [this.input, folder, photo]) each.addEventListener("change", () => this.#picked(each));
    this.input.addEventListener("click", (event) => this.#clicked(event));
    this.#part("choose-folder").addEventListener("click", () => folder.click());
    this.#part("take-photo").addEventListener("click", () => photo.click());
    const drop = this.#part("drop");
    for (const type of ABOUT_TO_PICK) drop.addEventListener(type, () => page.prepare());
    drop.addEventListener("dragover", (event) => this.#over(event));
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      const files = [...event.dataTransfer.items].filter(({ kind }) => kind === "file");
      if (files.length && !page.rests()) this.#dropped(files);
    });
  }

  // A link or a text is no file: the pointer says so, and the page is not left for it.
  #over(event) {
    event.preventDefault();
    const { dataTransfer } = event;
    const isMeant = dataTransfer.types.includes("Files") && !this.#page.rests();
    if (!isMeant) dataTransfer.dropEffect = "none";
    this.#part("drop").classList.toggle("over", isMeant);
  }

  // Seen and not to be used, as any other control that is disabled.
  set isDisabled(isDisabled) {
    for (const each of this.#part("drop").querySelectorAll("input, button")) each.disabled = isDisabled;
  }

  // The ways there are by the settings.
  show(words) {
    const { many, accept, folders, photos } = this.#page.settings;
    this.input.multiple = many;
    this.input.accept = accept;
    this.#part("choose-folder").hidden = !(folders && "webkitdirectory" in this.#folder);
    this.#part("take-photo").hidden = !photos;
    this.#root.getElementById("prompt").textContent = words.say(many ? "choose-many" : "choose-one");
    this.#root.getElementById("hint").textContent = words.say(many ? "drop-many" : "drop-one");
  }

  // A promise of the file's handle, or of none.
  handleOf(file) {
    return this.#handles.get(file) ?? Promise.resolve();
  }

  // It was opened by this handle.
  opened(file, handle) {
    this.#handles.set(file, Promise.resolve(handle));
  }

  // Whether what was pasted are files, and they are taken.
  pasted({ clipboardData }) {
    const files = [...clipboardData?.files ?? []];
    const isTaken = files.length > 0 && !this.#page.rests();
    if (isTaken) this.#page.take(files);
    return isTaken;
  }

  async #picked(input) {
    const { files } = input;
    try {
      // Not all at once: making the objects of ten thousand files is a long task.
      await this.#page.take(files);
    } finally {
      // So that the same file can be picked again, unless others were meanwhile.
      if (input.files === files) input.value = "";
    }
  }

  // The same dialog, but of it the page gets handles.
  async #clicked(event) {
    if (!canAsk || !this.#page.settings.keeps || this.input.accept) return;
    event.preventDefault();
    let handles;
    try {
      handles = await showOpenFilePicker({ multiple: this.#page.settings.many });
    } catch (error) {
      // A frame of another origin has no such dialog.
      if (error.name !== "AbortError") this.input.showPicker();
      return;
    }
    this.#page.take(this.#filesOf(handles));
  }

  async *#filesOf(handles) {
    for (const [at, handle] of handles.entries()) {
      const file = await handle.getFile().catch(() => {});
      if (file && at < KEPT_MAX) this.opened(file, handle);
      yield file ?? { unreadable: handle.name };
    }
  }

  // The items are only there until their event is over; entries stay, and give their files one by one.
  #dropped(items) {
    const found = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
    const folders = found.filter((entry) => entry?.isDirectory);
    // A page may hand on items of its own making, which have no handles.
    const keeps = (at) => canAsk && this.#page.settings.keeps && at < KEPT_MAX && !found[at]?.isDirectory;
    const handles = items.map((item, at) => keeps(at) && item.getAsFileSystemHandle?.());
    const many = this.#page.settings.many;
    this.#page.take(this.#filesIn(found, handles, many ? folders : []), folders.length && !many && "no-folders");
  }

  async *#filesIn(found, handles, folders) {
    for (const [at, entry] of found.entries()) {
      if (!entry || entry.isDirectory) continue;
      const taken = entry instanceof File ? { file: entry } : await one(entry);
      if (taken.file && handles[at]) this.#handles.set(taken.file, handles[at]);
      yield taken;
    }
    yield* tree(folders);
  }

  #part(name) {
    return this.#root.querySelector(`[part=${name}]`);
  }
}
