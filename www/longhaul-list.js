// A list of which only what can be seen is in the page: ten thousand rows of buttons would take it
// seconds to lay out. A short one is all there and as long as it is.
//
// Every row says which of how many it is (aria-posinset, aria-setsize); the arrow keys, Page Up, Page
// Down, Home and End move the focus from row to row, and the row that has it stays in the page.

// Up to so many rows are all there: more than a person reads without scrolling.
const WHOLE_MAX = 20;
// So many rows beyond each edge are there too, so that Tab and the wheel find the next ones.
const BEYOND = 4;
// What a row is taken to be high until it has been seen, pixels.
const ROW_PX = 58;
// How many rows Page Up and Page Down go.
const PAGE_ROWS = 8;

export class List {
  #scroller;
  #list;
  #make;
  #show;
  #entries = [];
  // By entry: those in the page.
  #rows = new Map();
  #stale = new Set();
  #frame;
  // By entry: what was measured.
  #heights = new WeakMap();
  // Where each row begins, and behind them the end; made anew when a height changes.
  #tops;

  // `make()` makes a row, `show(row, entry)` fills it, now and after each change.
  constructor(scroller, list, make, show) {
    [this.#scroller, this.#list, this.#make, this.#show] = [scroller, list, make, show];
    scroller.addEventListener("scroll", () => this.#later(), { passive: true });
    list.addEventListener("keydown", (event) => this.#moveFocus(event));
    new ResizeObserver(() => {
      this.#heights = new WeakMap();
      this.#tops = undefined;
      this.#later();
    }).observe(scroller);
  }

  get entries() {
    return this.#entries;
  }

  get isWhole() {
    return this.#entries.length <= WHOLE_MAX;
  }

  add(entry) {
    this.#entries.push(entry);
    this.#tops = undefined;
    if (this.isWhole) this.#render();
    else this.#later();
  }

  // Keeps those for which it says so.
  keep(which) {
    this.#entries = this.#entries.filter(which);
    this.#tops = undefined;
    this.#render();
  }

  // Something about it is to be shown: at once in a short list, else with the next frame.
  changed(entry) {
    const row = this.#rows.get(entry);
    if (!row) return;
    if (this.isWhole) return this.#show(row, entry);
    this.#stale.add(entry);
    this.#later();
  }

  // The same for all.
  allChanged() {
    for (const entry of this.#rows.keys()) this.#stale.add(entry);
    this.#later();
  }

  // Scrolls to it and gives it the focus, at the button of that part if it has it.
  focus(entry, part) {
    const at = this.#entries.indexOf(entry);
    if (at < 0) return;
    this.#reveal(at);
    const row = this.#rows.get(entry);
    row.scrollIntoView({ block: "nearest" });
    const buttons = [...row.querySelectorAll("button:not([hidden]), a:not([hidden])")];
    (buttons.find((button) => button.part.contains(part)) ?? buttons[0] ?? row).focus();
  }

  #later() {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.#render();
    });
  }

  #render() {
    const isWhole = this.isWhole;
    this.#scroller.hidden = !this.#entries.length;
    this.#scroller.classList.toggle("many", !isWhole);
    if (isWhole) this.#scroller.removeAttribute("tabindex");
    else this.#scroller.tabIndex = 0;
    // The first pass may find heights that were not known; the second puts the rows where they belong.
    for (let pass = 0; pass < 2; pass += 1) {
      const shown = isWhole ? this.#entries.map((_, at) => at) : this.#seen();
      this.#place(shown);
      if (isWhole || !this.#measure(shown)) break;
    }
    this.#list.style.height = isWhole ? "" : `${this.#top(this.#entries.length)}px`;
  }

  // The indexes of what is to be in the page.
  #seen() {
    const { scrollTop, clientHeight } = this.#scroller;
    const count = this.#entries.length;
    const first = Math.max(0, this.#at(scrollTop) - BEYOND);
    const last = Math.min(count - 1, this.#at(scrollTop + clientHeight) + BEYOND);
    const seen = Array.from({ length: last - first + 1 }, (_, at) => first + at);
    const focused = this.#entries.indexOf(this.#focused());
    if (focused < 0 || seen.includes(focused)) return seen;
    return focused < first ? [focused, ...seen] : [...seen, focused];
  }

  #place(shown) {
    const isWhole = this.isWhole;
    const kept = new Set(shown.map((at) => this.#entries[at]));
    for (const [entry, row] of this.#rows) {
      if (kept.has(entry)) continue;
      row.remove();
      this.#rows.delete(entry);
    }
    let before = null;
    for (const at of shown) {
      const row = this.#row(this.#entries[at]);
      row.setAttribute("aria-posinset", at + 1);
      row.setAttribute("aria-setsize", this.#entries.length);
      row.style.transform = isWhole ? "" : `translateY(${this.#top(at)}px)`;
      const place = before ? before.nextSibling : this.#list.firstChild;
      // Moving a row takes the focus from it, so one that is in its place is left there.
      if (place !== row) this.#list.insertBefore(row, place);
      before = row;
    }
  }

  #row(entry) {
    let row = this.#rows.get(entry);
    if (!row || this.#stale.delete(entry)) {
      row ??= this.#make(entry);
      this.#rows.set(entry, row);
      this.#show(row, entry);
    }
    return row;
  }

  // Whether a row is higher or lower than it was taken to be.
  #measure(shown) {
    let changed = false;
    for (const at of shown) {
      const entry = this.#entries[at];
      const { offsetHeight } = this.#rows.get(entry);
      if (offsetHeight && offsetHeight !== this.#height(entry)) {
        this.#heights.set(entry, offsetHeight);
        changed = true;
      }
    }
    if (changed) this.#tops = undefined;
    return changed;
  }

  #height(entry) {
    return this.#heights.get(entry) ?? ROW_PX;
  }

  #top(at) {
    if (!this.#tops) {
      this.#tops = new Float64Array(this.#entries.length + 1);
      this.#entries.forEach((entry, at) => { this.#tops[at + 1] = this.#tops[at] + this.#height(entry); });
    }
    return this.#tops[at];
  }

  // The index of the row at that height.
  #at(px) {
    let [low, high] = [0, this.#entries.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#top(middle) <= px) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #focused() {
    const active = this.#list.getRootNode().activeElement;
    for (const [entry, row] of this.#rows) {
      if (row.contains(active)) return entry;
    }
    return undefined;
  }

  #reveal(at) {
    const { scrollTop, clientHeight } = this.#scroller;
    const [top, end] = [this.#top(at), this.#top(at + 1)];
    if (top < scrollTop) this.#scroller.scrollTop = top;
    else if (end > scrollTop + clientHeight) this.#scroller.scrollTop = end - clientHeight;
    this.#render();
  }

  #moveFocus(event) {
    const from = this.#entries.indexOf(this.#focused());
    const last = this.#entries.length - 1;
    const to = {
      ArrowDown: from + 1, ArrowUp: from - 1, Home: 0, End: last, PageDown: from + PAGE_ROWS, PageUp: from - PAGE_ROWS,
    }[event.key];
    if (from < 0 || to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const part = this.#list.getRootNode().activeElement?.getAttribute("part");
    this.focus(this.#entries[Math.min(last, Math.max(0, to))], part);
  }
}
