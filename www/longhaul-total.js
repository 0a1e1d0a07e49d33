// What is shown of all files together, and what can be done with all of them at once.
import { bytes, count, percent } from "./format.js";
import { template } from "./longhaul-dom.js";
import { pace } from "./longhaul-row.js";

const FRAME = template(`
<section part="total" aria-label="All files" hidden>
  <div class="head"><strong part="total-files"></strong><span part="total-pace"></span></div>
  <progress part="total-progress" aria-label="All files" max="1" value="0"></progress>
  <div class="buttons">
    <button type="button" part="pause-all">Pause all</button>
    <button type="button" part="resume-all">Resume all</button>
    <button type="button" part="retry-all">Try the failed again</button>
    <button type="button" part="show-failed">Show what failed</button>
    <button type="button" part="clear-all">Clear what is over</button>
    <button type="button" part="cancel-all">Cancel all</button>
  </div>
</section>`);

const ACTIONS = ["pause-all", "resume-all", "retry-all", "show-failed", "clear-all", "cancel-all"];

export class TotalBar {
  #section = FRAME.content.cloneNode(true).firstElementChild;

  // Its buttons call `act(action)`.
  constructor(act) {
    for (const action of ACTIONS) this.#part(action).addEventListener("click", () => act(action));
  }

  get element() {
    return this.#section;
  }

  // `total` is the detail of the last event, `listed` how many files are in the list, `over` how many of
  // them are over.
  show(total, listed, over) {
    this.#section.hidden = listed < 2;
    if (this.#section.hidden) return;
    const isOpen = over < listed;
    const offered = {
      "pause-all": total.moving > 0 && !total.held,
      "resume-all": total.held,
      "retry-all": total.failed > 0,
      "show-failed": total.failed > 0,
      "clear-all": over > 0,
      "cancel-all": isOpen,
    };
    const focused = this.#section.getRootNode().activeElement;
    for (const action of ACTIONS) this.#part(action).hidden = !offered[action];
    if (this.#section.contains(focused) && focused.hidden) {
      this.#section.querySelector("button:not([hidden])")?.focus();
    }
    this.#section.dataset.state = total.held ? "paused" : isOpen ? "uploading" : "done";
    this.#part("total-files").textContent = files(total);
    this.#part("total-pace").textContent = amount(total);
    this.#part("total-progress").value = share(total);
  }

  #part(name) {
    return this.#section.querySelector(`[part=${name}]`);
  }
}

// How many files of how many.
export function files({ files, done, failed }) {
  const all = `${count(done)} of ${count(files)} ${files === 1 ? "file" : "files"}`;
  return failed ? `${all} · ${count(failed)} failed` : all;
}

function amount(total) {
  const moved = total.acknowledged + total.inFlight;
  const parts = [`${bytes(moved)} of ${bytes(total.total)}`, percent(share(total))];
  return [...parts, ...(total.held ? ["Paused"] : pace(total))].join(" · ");
}

// By bytes; by files where those have none.
function share({ files, done, total, acknowledged, inFlight }) {
  if (!files) return 0;
  if (files === done) return 1;
  const share = total ? (acknowledged + inFlight) / total : done / files;
  return Math.min(.99, share);
}
