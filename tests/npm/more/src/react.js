import { LonghaulUpload } from "longhaul/react";
import { createElement, useRef, useState } from "react";
import { createRoot } from "react-dom/client";

const server = new URLSearchParams(location.search).get("server");

// A function that is made anew at each rendering must start nothing anew, and every event must be heard.
function App() {
  const element = useRef(null);
  const [states, setStates] = useState([]);
  window.rendered = { states, tag: element.current?.localName };
  return createElement(LonghaulUpload, {
    ref: element,
    endpoint: server,
    multiple: true,
    leaveQuietly: false,
    token: () => "anybody",
    onState: ({ detail }) => setStates((before) => [...before, detail.state]),
  });
}

createRoot(document.getElementById("app")).render(createElement(App));
