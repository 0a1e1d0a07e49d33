// Longhaul's element as a page has it, with nothing around it. `?at-once=N`: its attribute
// `files-at-once`.
import "./longhaul-upload.js";
import { failed, over, pickedBy } from "./record.js";

const element = document.querySelector("longhaul-upload");
const atOnce = new URLSearchParams(location.search).get("at-once");
if (atOnce) element.setAttribute("files-at-once", atOnce);
let left = 0;
element.addEventListener("longhaul-complete", () => {
  left -= 1;
  if (left === 0) over();
});
element.addEventListener("longhaul-error", ({ detail }) => failed(detail));
pickedBy(element.shadowRoot.querySelector("input[type=file]"), (files) => { left = files.length; });
window.ready = true;
