// Taking files in: out of folders that were dropped, and a little at a time, so that the page stays
// responsive whatever their number.

import { count } from "./format.js";

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

// What was not taken, in words: the names of what was left because one file was `first`, of empty folders,
// and of what cannot be read.
export function leftOut({ first, left, empty, unreadable }) {
  const said = [
    left.length && `Only one file can be uploaded here; ${first} was taken.`,
    empty.length && `${folders(empty.length)} empty and ${empty.length === 1 ? "has" : "have"} nothing to upload: ${names(empty)}.`,
    unreadable.length && `What the browser may not read was left out: ${names(unreadable)}.`,
  ];
  return said.filter(Boolean).join(" ");
}

function folders(number) {
  return number === 1 ? "One folder is" : `${count(number)} folders are`;
}

function names(all) {
  const more = all.length - NAMED_MAX;
  const named = all.slice(0, NAMED_MAX).join(", ");
  return more > 0 ? `${named} and ${count(more)} more` : named;
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
