// Taking files in: out of folders that were dropped, and a little at a time, so that the page stays
// responsive whatever their number.
import { apart, sentence } from "./longhaul-words.js";

// How long one slice of work may take, milliseconds: half a frame, and far from the 50 ms from which a
// page is felt to hang.
const SLICE_MS = 8;
// How many names a notice has room for.
const NAMED_MAX = 3;

// What is found in entries of the file system, folders read to their ends and depth first:
// `{ file, path }` with the path below what was dropped, `{ directory }` for an empty folder,
// `{ unreadable, error }` for what the browser does not hand out.
export async function* tree(entries) {
  for (const entry of entries) {
    if (entry.isDirectory) yield* folder(entry);
  }
  yield* await Promise.all(entries.filter((entry) => entry.isFile).map(one));
}

async function* folder(entry) {
  const reader = entry.createReader();
  let isEmpty = true;
  try {
    // Chromium tells a hundred at a time, and that there are no more by telling none.
    for (let some = await next(reader); some.length; some = await next(reader)) {
      isEmpty = false;
      yield* tree(some);
    }
    if (isEmpty) yield { directory: pathOf(entry) };
  } catch (error) {
    yield { unreadable: pathOf(entry), error };
  }
}

function next(reader) {
  return new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
}

// The same of an entry that is a file.
export async function one(entry) {
  const path = pathOf(entry);
  try {
    const file = await new Promise((resolve, reject) => { entry.file(resolve, reject); });
    // What was dropped by itself lies in no folder.
    return { file, path: path.includes("/") ? path : undefined };
  } catch (error) {
    return { unreadable: path, error };
  }
}

function pathOf(entry) {
  return entry.fullPath.replace(/^\/+/, "");
}

// Whether the file is of a kind that `accept` names, which is as on <input type="file">: what is dropped or
// pasted is not looked at by the browser.
function isAccepted({ name, type }, accept) {
  // What is neither an ending nor a type counts for nothing, as there: `*/*`, or `pdf` without its dot.
  const kinds = accept.toLowerCase().split(",").map((kind) => kind.trim()).filter((kind) => /^\.|\w\//.test(kind));
  // Without its parameters: a recorder's has its codecs there.
  const [ending, [media]] = [name.toLowerCase(), type.toLowerCase().split(";")];
  return !kinds.length || kinds.some((kind) => {
    if (kind.startsWith(".")) return ending.endsWith(kind);
    return kind.endsWith("/*") ? media.startsWith(kind.slice(0, -1)) : media === kind;
  });
}

// What comes of one pick.
export class Taken {
  #left = [];
  #large = [];
  #other = [];
  #refused = [];
  #empty = [];
  #unreadable = [];
  // The name of the first that was taken in.
  #first;
  #page;

  // `page` has the `settings`; `tell(type, detail, cancelable)`, which says whether nobody has prevented the default, and
  // `add(file, path)`.
  constructor(page) {
    this.#page = page;
  }

  // One of what `tree` finds, or a file.
  take(found) {
    const { directory, unreadable } = found;
    if (unreadable !== undefined) this.#unreadable.push(unreadable);
    else if (directory === undefined) this.#takeFile(found.file ? found : { file: found });
    else {
      this.#empty.push(directory);
      this.#page.tell("directory", { path: directory });
    }
  }

  // As far as the attributes say, and the page.
  #takeFile({ file, path }) {
    const { many, sizeMax, accept } = this.#page.settings;
    const { name } = file;
    const detail = { file, path, reason: "" };
    if (this.#first !== undefined && !many) this.#left.push(name);
    else if (file.size > sizeMax) this.#large.push(name);
    else if (!isAccepted(file, accept)) this.#other.push(name);
    else if (this.#page.tell("accept", detail, true)) {
      this.#first ??= name;
      this.#page.add(file, path);
    } else if (detail.reason) this.#refused.push(sentence(`${apart(name)}: ${detail.reason}`));
  }

  // What was not taken, in words.
  said(words) {
    const size = words.bytes(this.#page.settings.sizeMax);
    const said = [
      this.#left.length && words.say("only-one", { name: apart(this.#first) }),
      this.#large.length && words.say("too-large", { size, names: names(words, this.#large) }),
      this.#other.length && words.say("not-accepted", { names: names(words, this.#other) }),
      ...this.#refused.slice(0, NAMED_MAX),
      this.#empty.length && words.say("folders-empty", { n: this.#empty.length, names: names(words, this.#empty) }),
      this.#unreadable.length && words.say("unreadable", { names: names(words, this.#unreadable) }),
    ];
    return said.filter(Boolean).join(" ");
  }

  // That a folder is empty is nothing gone wrong.
  get isMild() {
    return ![this.#left, this.#large, this.#other, this.#refused, this.#unreadable].some((all) => all.length);
  }
}

function names(words, all) {
  const more = all.length - NAMED_MAX;
  const named = words.list(all.slice(0, NAMED_MAX).map(apart));
  return more > 0 ? words.say("names-more", { names: named, n: more }) : named;
}

// Does it with each, and gives the thread back in between; what comes slowly is waited for.
export async function inSlices(items, act) {
  let until = performance.now() + SLICE_MS;
  for await (const item of items) {
    act(item);
    if (performance.now() < until) continue;
    await breath();
    until = performance.now() + SLICE_MS;
  }
}

// The rest of the page has its turn. Not by a timer, which browsers delay, or by a frame, of which a
// hidden page has none; and not by `scheduler.yield()`, whose turn comes before everybody else's: with it
// no timer and no message of a worker came through in Firefox 153 until ten thousand files were in.
function breath() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { port1.close(); resolve(); };
    port2.postMessage(null);
  });
}
