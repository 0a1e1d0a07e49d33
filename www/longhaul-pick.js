// Where files come from: a dialog, a chosen folder, a drop. And of those that are not yet uploaded, the
// handles by which the page can ask for them again after a reload.
import { KEPT_MAX, canAsk } from "./longhaul-handles.js";
import { one, tree } from "./longhaul-take.js";

export class Picker {
  #input;
  #page;
  // Promises of the handles of files that were just picked.
  #handles = new WeakMap();

  // `page` has `many()`, whether more than one file may be picked; `keeps()`, whether handles are kept; `rests()`,
  // whether nothing may be picked now; and `take(files, notice)`, which takes in any iterable of what `tree` finds,
  // or of files, and is told the name of the words that are to be said first.
  constructor({ input, folder, photo, drop, chooseFolder, takePhoto }, page) {
    [this.#input, this.#page] = [input, page];
    for (const each of [input, folder, photo]) each.addEventListener("change", () => this.#picked(each));
    input.addEventListener("click", (event) => this.#clicked(event));
    chooseFolder.addEventListener("click", () => folder.click());
    takePhoto.addEventListener("click", () => photo.click());
    drop.addEventListener("dragover", (event) => over(drop, event, true));
    drop.addEventListener("dragleave", (event) => over(drop, event, false));
    drop.addEventListener("drop", (event) => {
      over(drop, event, false);
      if (!this.#page.rests()) this.#dropped([...event.dataTransfer.items].filter(({ kind }) => kind === "file"));
    });
  }

  // A promise of the file's handle, or of none.
  handleOf(file) {
    return this.#handles.get(file) ?? Promise.resolve();
  }

  // It was opened by this handle.
  opened(file, handle) {
    this.#handles.set(file, Promise.resolve(handle));
  }

  // Of what was pasted, whether it was files.
  pasted({ clipboardData }) {
    const files = [...clipboardData?.files ?? []];
    if (files.length && !this.#page.rests()) this.#page.take(files);
    return files.length > 0;
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
    if (!canAsk || !this.#page.keeps() || this.#input.accept) return;
    event.preventDefault();
    let handles;
    try {
      handles = await showOpenFilePicker({ multiple: this.#page.many() });
    } catch (error) {
      // A frame of another origin has no such dialog.
      if (error.name !== "AbortError") this.#input.showPicker();
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
    const keeps = (at) => canAsk && this.#page.keeps() && at < KEPT_MAX && !found[at]?.isDirectory;
    const handles = items.map((item, at) => keeps(at) && item.getAsFileSystemHandle?.());
    const many = this.#page.many();
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
}

function over(drop, event, isOver) {
  event.preventDefault();
  drop.classList.toggle("over", isOver);
}
