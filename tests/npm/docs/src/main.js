// Shows the component that a snippet of the manual exports.
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import * as snippet from "./snippet.tsx";

createRoot(document.getElementById("app")).render(createElement(Object.values(snippet)[0]));
