// Longhaul's element as a page has it, with nothing around it.
import "./longhaul-upload.js";
import { failed, over, pickedBy } from "./record.js";

const element = document.querySelector("longhaul-upload");
let left = 0;
element.addEventListener("longhaul-complete", () => {
  left -= 1;
  if (left === 0) over();
});
element.addEventListener("longhaul-error", ({ detail }) => failed(detail));
pickedBy(element.shadowRoot.querySelector("input[type=file]"), (files) => { left = files.length; });
window.ready = true;
