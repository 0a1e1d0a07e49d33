// What is shown of all files together, and what can be done with all of them at once.
import { template } from "./longhaul-dom.js";
import { pace } from "./longhaul-row.js";
import { speak } from "./longhaul-words.js";

const FRAME = template(`
<section part="total" hidden>
  <div class="head"><strong part="total-files" dir="auto"></strong><bdi part="total-pace"></bdi></div>
  <progress part="total-progress" data-label="all" max="1" value="0"></progress>
  <div class="buttons">
    <button type="button" part="pause-all" data-say="pause-all"></button>
    <button type="button" part="resume-all"></button>
    <button type="button" part="retry-all" data-say="retry-all"></button>
    <button type="button" part="show-failed" data-say="show-failed"></button>
    <button type="button" part="clear-all" data-say="clear-all"></button>
    <button type="button" part="cancel-all" data-say="cancel-all"></button>
  </div>
</section>`);

const ACTIONS = ["pause-all", "resume-all", "retry-all", "show-failed", "clear-all", "cancel-all"];

export class TotalBar {
  #section = FRAME.content.cloneNode(true).firstElementChild;
  #words;

  // Its buttons call `act(action)`.
  constructor(act) {
    for (const action of ACTIONS) this.#part(action).addEventListener("click", () => act(action));
  }

  get element() {
    return this.#section;
  }

  set words(words) {
    this.#words = words;
    speak(this.#section, words);
    this.#section.setAttribute("aria-label", words.say("all"));
  }

  // `total` is the detail of the last event, `listed` how many files are in the list, `over` how many of
  // them are over, `isBegun` whether any had its turn.
  show(total, listed, over, isBegun) {
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
    this.#part("resume-all").textContent = this.#words.say(isBegun ? "resume-all" : "start-all");
    this.#part("total-files").textContent = files(this.#words, total);
    this.#part("total-pace").textContent = amount(this.#words, total);
    this.#part("total-progress").value = share(total);
  }

  #part(name) {
    return this.#section.querySelector(`[part=${name}]`);
  }
}

// How many files of how many.
export function files(words, { files, done, failed }) {
  const all = words.say("files-done", { done, n: files });
  return failed ? words.say("files-failed", { files: all, failed }) : all;
}

function amount(words, total) {
  const moved = words.bytes(total.acknowledged + total.inFlight);
  const parts = [words.say("bytes-of", { moved, total: words.bytes(total.total) }), words.percent(share(total))];
  return [...parts, ...(total.held ? [words.say("state-paused")] : pace(words, total))].join(" · ");
}

// By bytes; by files where those have none.
function share({ files, done, total, acknowledged, inFlight }) {
  if (!files) return 0;
  if (files === done) return 1;
  const share = total ? (acknowledged + inFlight) / total : done / files;
  return Math.min(.99, share);
}
