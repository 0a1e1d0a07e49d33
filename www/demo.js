// The demo page around <longhaul-upload>: lists what the server has sealed.
import "./longhaul-upload.js";
import "./longhaul-download.js";
import "./longhaul-map.js";
import { wordsOf } from "./longhaul-words.js";

const uploader = document.querySelector("longhaul-upload");
const list = document.getElementById("files");
const notice = document.getElementById("notice");
const more = document.getElementById("more");

// Where the server is: the page's own, or `?server=`, which `trunk serve` needs. Only on this
// machine: a link to a public page must not be able to send its visitors' files elsewhere.
const onThisMachine = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
const server = (onThisMachine && new URLSearchParams(location.search).get("server")) || "";
const api = new URL("v1/", new URL(server.replace(/\/*$/, "/"), location.href));
if (server) uploader.setAttribute("endpoint", server);

// How many files are listed at once: as many as a page lays out without being felt to hang.
const ROWS = 30;

// The download of each file that was ever listed, by its id.
const downloads = new Map();

// What the uploader says of who it is; nothing where nobody asks.
let asWhom;

uploader.addEventListener("longhaul-complete", () => soon());
more.addEventListener("click", () => load(more.dataset.next));
refresh();

// The first time at once, then once a second at most: of many small files dozens are done in one.
let isResting = false;
let isStale = false;

async function soon() {
  isStale = true;
  if (isResting) return;
  isResting = true;
  while (isStale) {
    isStale = false;
    await refresh();
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
  isResting = false;
}

async function refresh() {
  const page = await ask(new URL(`files?limit=${ROWS}`, api));
  if (page) show(page, []);
}

async function load(next) {
  const page = await ask(new URL(`files?limit=${ROWS}&after=${encodeURIComponent(next)}`, api));
  if (page) show(page, list.children);
}

function show({ files, next }, before) {
  list.replaceChildren(...before, ...files.map((file) => row(file, !asWhom)));
  more.dataset.next = next ?? "";
  more.hidden = !next;
  notice.textContent = list.children.length ? "" : "None yet.";
}

function row(file, isOpen) {
  const item = document.createElement("li");
  item.append(isOpen ? link(file) : unlinked(file), about(file), verified(file), remover(file, item));
  return item;
}

// The same with every chunk verified, and with the token.
function verified(file) {
  // One that is moving must outlast that the list is made anew.
  const download = downloads.get(file.id) ?? document.createElement("longhaul-download");
  downloads.set(file.id, download);
  download.setAttribute("href", new URL(`files/${file.id}`, api));
  download.setAttribute("name", file.name);
  if (asWhom) download.token = async () => (await uploader.authorization())?.replace(/^Bearer /, "");
  return download;
}

function link(file) {
  const anchor = document.createElement("a");
  anchor.href = new URL(`files/${file.id}`, api);
  anchor.download = file.name;
  anchor.textContent = file.name;
  anchor.title = file.name;
  return anchor;
}

// Where a token is needed: a link cannot carry one.
function unlinked(file) {
  const text = document.createElement("strong");
  text.textContent = file.name;
  text.title = `${file.name}: a download needs the token, which a link cannot send`;
  return text;
}

function about(file) {
  const text = document.createElement("span");
  const when = new Date(file.sealedAt).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  text.textContent = `${wordsOf(list).bytes(file.size)} · ${when}`;
  return text;
}

function remover(file, item) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Delete";
  button.setAttribute("aria-label", `Delete ${file.name}`);
  button.addEventListener("click", async () => {
    if (!confirm(`Delete ${file.name} from the server? It cannot be brought back.`)) return;
    if (await ask(new URL(`files/${file.id}`, api), { method: "DELETE" })) {
      item.remove();
      await refresh();
    }
  });
  return button;
}

// The answer's JSON, or {} where it has none; nothing if it was refused, which is then told.
async function ask(url, options) {
  try {
    asWhom = await uploader.authorization().catch(() => undefined);
    const headers = asWhom ? { authorization: asWhom } : {};
    const answer = await fetch(url, { cache: "no-store", headers, ...options });
    const isJson = /json/.test(answer.headers.get("content-type") ?? "");
    if (answer.ok && (isJson || answer.status === 204)) return isJson ? await answer.json() : {};
    notice.textContent = isJson ? told(await answer.json()) : nobody();
  } catch {
    notice.textContent = nobody();
  }
}

function told({ title, detail, advice, requestId }) {
  const request = requestId ? ` It is request ${requestId} in the server's log.` : "";
  return `${[title, detail].filter(Boolean).join(": ")}. ${advice}${request}`;
}

function nobody() {
  const where = new URL("/", api).origin;
  const hint = server ? "" : " If it runs elsewhere on this machine, open this page with ?server= and its address.";
  return `No Longhaul server answers at ${where}; is it running?${hint}`;
}
