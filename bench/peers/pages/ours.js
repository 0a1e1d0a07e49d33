// Longhaul's element as a page has it, with nothing around it. `?files=N`: as many are picked.
import "./longhaul-upload.js";
import { failed, over, pickedBy } from "./record.js";

const files = Number(new URLSearchParams(location.search).get("files") ?? 1);
const element = document.querySelector("longhaul-upload");
let complete = 0;
element.addEventListener("longhaul-complete", () => {
  complete += 1;
  if (complete === files) over();
});
element.addEventListener("longhaul-error", ({ detail }) => failed(detail));
pickedBy(element.shadowRoot.querySelector("input[type=file]"));
window.ready = true;
