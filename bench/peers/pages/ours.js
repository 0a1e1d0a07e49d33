// Longhaul's element as a page has it, with nothing around it. `?dialog`: what is picked comes as it
// does to somebody who clicks in Chromium, by a dialog that gives a handle for each file.
import "./longhaul-upload.js";
import { begin, failed, over, pickedBy } from "./record.js";

const element = document.querySelector("longhaul-upload");
// After which what the driver did is over.
const SETTLED_MS = 1000;
let left = 0;
element.addEventListener("longhaul-complete", () => {
  left -= 1;
  if (left === 0) over();
});
element.addEventListener("longhaul-error", ({ detail }) => failed(detail));
const input = element.shadowRoot.querySelector("input[type=file]");
if (new URLSearchParams(location.search).has("dialog")) byDialog();
else pickedBy(input, (files) => { left = files.length; });
window.ready = true;

// Keeps what a driver puts into the input from the element, and has it chosen in the dialog instead.
function byDialog() {
  element.shadowRoot.addEventListener("change", (event) => {
    event.stopImmediatePropagation();
    const files = [...input.files];
    window.showOpenFilePicker = async () => files.map((file) => ({ kind: "file", name: file.name, getFile: async () => file }));
    left = files.length;
    setTimeout(() => {
      begin();
      input.click();
    }, SETTLED_MS);
  }, { capture: true });
}
