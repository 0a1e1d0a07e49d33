// Scripts that come from another origin than their page, a CDN's say. A worker's script has to be of the page's
// own: one that is not is imported by one that is.

// Of a script that a bundler has moved its address tells where it was: a file.
export function isFromElsewhere(script) {
  return /^https?:/.test(script) && new URL(script).origin !== location.origin;
}

// The address of a script that imports the one beside `script`.
export function importing(name, script) {
  return scriptOf(`import ${JSON.stringify(new URL(name, script).href)};`);
}

export function scriptOf(text) {
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}
