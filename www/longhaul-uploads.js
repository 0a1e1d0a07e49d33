// The uploads of one element: what is told of each, what of that is shown, and what a person does with them.
import { List } from "./longhaul-list.js";
import { Polite } from "./longhaul-polite.js";
import { Entry, makeRow, showRow } from "./longhaul-row.js";
import { Announcer } from "./longhaul-say.js";
import { inSlices } from "./longhaul-take.js";
import { TotalBar } from "./longhaul-total.js";

const NOTHING = { files: 0, done: 0, failed: 0, moving: 0, held: false, total: 0, acknowledged: 0, inFlight: 0 };
// How often what waits for its next try says when that comes, milliseconds: each second is seen as it passes.
const COUNT_MS = 250;

export class Uploads {
  #page;
  // By the upload's number.
  #entries = new Map();
  // Of these: those that are not over, and those that wait for their next try.
  #open = new Set();
  #waiting = new Set();
  // By the upload's number: the id of the file that it has become.
  #sealed = new Map();
  #total = NOTHING;
  #totalFrame;
  #countdown;
  #shownLast;
  #list;
  #bar = new TotalBar((action) => this.#actOnAll(action));
  #say;
  #polite;
  // Whether anything had its turn since the list was empty.
  #isBegun = true;

  // `root` is where they are shown. `page` has the `settings`; `words()`; `uploader()`, the one that has them, if there is
  // one; `isShown()`; `tell(type, detail)` for each event; `showForm(sealed, open)`, which is told the ids of what is sealed
  // and how many are not over; `rested()`, called when all are over; and `focus()`, which takes the focus of a row that goes.
  constructor(root, page) {
    this.#page = page;
    const scroller = root.querySelector(".scroller");
    scroller.before(this.#bar.element);
    const act = (action, entry) => this.#act(action, entry);
    this.#list = new List(scroller, root.querySelector("[part=list]"), (entry) => makeRow(entry, act), showRow);
    this.#say = new Announcer(root.querySelector("[aria-live]"), this);
    this.#polite = new Polite(() => !page.settings.leavesQuietly);
  }

  // What entries and announcements ask.

  words() {
    return this.#page.words();
  }

  isHeld() {
    return this.#total.held;
  }

  isBegun() {
    return this.#isBegun;
  }

  isFew() {
    return this.#list.isWhole;
  }

  get isEmpty() {
    return !this.#entries.size;
  }

  // A file that was picked, by its number, and where it lies.
  add(id, file, path) {
    const entry = this.#entry({ id, name: file.name });
    entry.is(file, path);
    this.#list.changed(entry);
    return entry;
  }

  // There is another uploader, of which nothing was heard yet.
  hear() {
    if (this.isEmpty) [this.#total, this.#isBegun] = [NOTHING, true];
    const come = {
      state: (detail) => this.#cameState(detail),
      progress: (detail) => this.#cameProgress(detail),
      complete: (detail) => this.#cameLink(detail),
      error: (detail) => this.#cameError(detail),
      total: (detail) => this.#cameTotal(detail),
    };
    for (const type of Object.keys(come)) {
      this.#page.uploader().addEventListener(type, ({ detail }) => {
        come[type](detail);
        this.#page.tell(type, detail);
      });
    }
    this.#hold();
  }

  // Whether all are over: then nothing keeps anybody any more.
  leave() {
    if (this.#open.size) return false;
    this.#polite.moves = false;
    return true;
  }

  pauseAll() {
    this.#page.uploader()?.pauseAll();
  }

  resumeAll() {
    this.#begin();
    this.#page.uploader()?.resumeAll();
  }

  // What comes next waits for its start, if it is to.
  #hold() {
    if (!this.#page.settings.isHeld || this.#open.size) return;
    this.#isBegun = false;
    this.pauseAll();
  }

  // Nothing waits for its start any more.
  #begin() {
    this.#isBegun = true;
    this.#list.allChanged();
  }

  // What comes of them.

  // The first event of an upload comes while its file is still being added.
  #entry({ id, name }) {
    return this.#entries.get(id) ?? this.#newEntry(id, name);
  }

  #newEntry(id, name) {
    const entry = new Entry(id, name, this);
    this.#entries.set(id, entry);
    this.#open.add(entry);
    this.#list.add(entry);
    this.#showTotal();
    return entry;
  }

  #cameState(detail) {
    const entry = this.#entry(detail);
    entry.came(detail);
    if (entry.isOver) {
      this.#open.delete(entry);
      entry.kept?.forget();
      queueMicrotask(() => {
        this.#hold();
        this.#page.rested();
      });
    } else {
      this.#open.add(entry);
    }
    if (detail.retryAt) this.#waiting.add(entry);
    else this.#waiting.delete(entry);
    this.#list.changed(entry);
    this.#say.state(entry);
    this.showForm();
    this.count();
  }

  #cameProgress(detail) {
    const entry = this.#entry(detail);
    entry.progress = detail;
    entry.size = detail.total;
    this.#list.changed(entry);
    this.#say.progress(entry);
  }

  // A link cannot carry a token; where one is needed the page has to fetch.
  async #cameLink(detail) {
    // A page may have reset the form when it heard that the file is done, which is told first.
    const entry = this.#entries.get(detail.id);
    if (!entry) return;
    this.#sealed.set(entry.id, detail.file.id);
    this.showForm();
    const authorization = this.#page.uploader()?.authorization();
    // A page whose function has no token now had one when it uploaded.
    if (await authorization?.catch(() => true)) return;
    entry.link = { url: detail.url, name: detail.file.name };
    this.#list.changed(entry);
  }

  #cameError(detail) {
    const entry = this.#entry(detail);
    entry.failed(detail);
    this.#list.changed(entry);
    this.#say.state(entry);
  }

  #cameTotal(total) {
    const [moved, wasHeld] = [this.#total.moving > 0, this.#total.held];
    this.#total = total;
    this.#polite.moves = total.moving > 0;
    if (wasHeld !== total.held) this.#list.allChanged();
    if (moved && !total.moving) this.#say.rest(total);
    this.#showTotal();
  }

  // Doing something.

  #act(action, entry) {
    if (action === "resume") this.#begin();
    if (action !== "clear") return this.#page.uploader()[action](entry.id);
    return this.#clear((other) => other === entry);
  }

  // Where the focus was is gone.
  #clear(which) {
    this.clear(which);
    this.#page.focus();
  }

  #actOnAll(action) {
    const failed = () => [...this.#open].filter((entry) => entry.state === "failed");
    switch (action) {
      case "pause-all": return this.pauseAll();
      case "resume-all": return this.resumeAll();
      case "retry-all": return inSlices(failed(), ({ id }) => this.#page.uploader().resume(id));
      case "show-failed": return this.#list.focus(this.#nextOf(failed()), "resume");
      case "clear-all": return this.#clear((entry) => entry.isOver);
      default: return this.#cancelAll();
    }
  }

  #cancelAll() {
    const open = [...this.#open].reverse();
    if (!confirm(this.words().say("sure-cancel", { n: open.length }))) return undefined;
    // Those that wait go first, so that none of them begins meanwhile.
    return inSlices(open, ({ id }) => this.#page.uploader().cancel(id));
  }

  // The first behind the one that was shown last.
  #nextOf(entries) {
    this.#shownLast = entries.find(({ id }) => id > (this.#shownLast?.id ?? 0)) ?? entries[0];
    return this.#shownLast;
  }

  // Takes out of the list those for which it says so.
  clear(which) {
    for (const entry of this.#list.entries.filter(which)) {
      this.#entries.delete(entry.id);
      this.#sealed.delete(entry.id);
    }
    this.showForm();
    this.#list.keep((entry) => this.#entries.has(entry.id));
    this.#showTotal();
  }

  // Showing.

  // The words are others.
  speak() {
    this.#bar.words = this.words();
    this.#list.allChanged();
    this.#showTotal();
    this.showForm();
  }

  showForm() {
    this.#page.showForm(this.#sealed, this.#open.size);
  }

  #showTotal() {
    this.#totalFrame ??= requestAnimationFrame(() => {
      this.#totalFrame = undefined;
      this.#bar.show(this.#total, this.#entries.size, this.#entries.size - this.#open.size, this.#isBegun);
    });
  }

  // The seconds until the next try run down by themselves, where somebody may see them.
  count() {
    if (this.#waiting.size && this.#page.isShown()) {
      this.#countdown ??= setInterval(() => {
        for (const entry of this.#waiting) this.#list.changed(entry);
      }, COUNT_MS);
    } else {
      clearInterval(this.#countdown);
      this.#countdown = undefined;
    }
  }
}
