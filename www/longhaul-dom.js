// What the elements are made of, once, when their scripts are loaded. A server that renders pages loads the same
// scripts and has none of it: there they do nothing, and the browser begins.

export const isPage = typeof document === "object";

// What elements extend.
export const Base = globalThis.HTMLElement ?? class {};

export function template(html) {
  if (!isPage) return undefined;
  const made = document.createElement("template");
  made.innerHTML = html;
  return made;
}

export function sheet(css) {
  if (!isPage) return undefined;
  const made = new CSSStyleSheet();
  made.replaceSync(css);
  return made;
}

// Text that is put again although it is there makes the browser lay it out again.
export function put(element, text, property = "textContent") {
  if (element[property] !== text) element[property] = text;
}

// Two copies of a script may be on one page, by two packages say: the first one counts.
export function define(name, element) {
  if (isPage && !customElements.get(name)) customElements.define(name, element);
}
