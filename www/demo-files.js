// The list of what the server has sealed: to be downloaded and verified, and deleted.
import { say, whenSpoken, words } from "./demo-language.js";

const list = document.getElementById("files");
const notice = document.getElementById("notice");
const more = document.getElementById("more");

// How many files are listed at once: as many as a page lays out without being felt to hang.
const ROWS = 30;
// How often it is made anew while files become done, milliseconds: of many small ones dozens do in one second.
const ANEW_MS = 1000;
// How much of a root is shown, characters: what eyes compare.
const ROOT_SHOWN = 12;

export class Files {
  #api;
  #uploader;
  // What the page says where nobody answers.
  #hint;
  // The download of each file that was ever listed, by its id.
  #downloads = new Map();
  // What is listed, and where more is.
  #files = [];
  #next;
  // What the uploader says of who it is; nothing where nobody asks.
  #asWhom;
  #isLoaded = false;
  #isResting = false;
  #isStale = false;

  constructor(api, uploader, hint) {
    [this.#api, this.#uploader, this.#hint] = [api, uploader, hint];
    more.addEventListener("click", () => this.#load());
    uploader.addEventListener("longhaul-complete", () => this.#soon());
    whenSpoken(() => this.#isLoaded && this.#show());
    this.#refresh();
  }

  // The first time at once, then after a rest each time.
  async #soon() {
    this.#isStale = true;
    if (this.#isResting) return;
    this.#isResting = true;
    while (this.#isStale) {
      this.#isStale = false;
      await this.#refresh();
      await new Promise((resolve) => { setTimeout(resolve, ANEW_MS); });
    }
    this.#isResting = false;
  }

  #refresh() {
    return this.#page("", []);
  }

  #load() {
    return this.#page(`&after=${encodeURIComponent(this.#next)}`, this.#files);
  }

  async #page(after, before) {
    const page = await this.#ask(new URL(`files?limit=${ROWS}${after}`, this.#api));
    if (!page) return;
    [this.#files, this.#next, this.#isLoaded] = [[...before, ...page.files], page.next, true];
    this.#show();
  }

  #show() {
    list.replaceChildren(...this.#files.map((file) => this.#row(file)));
    more.hidden = !this.#next;
    notice.textContent = this.#files.length ? "" : say("demo-none");
  }

  #row(file) {
    const item = document.createElement("li");
    const actions = made("div", { className: "actions" });
    actions.append(this.#verified(file), this.#remover(file));
    item.append(this.#asWhom ? unlinked(file) : this.#link(file), about(file), actions);
    return item;
  }

  // With every chunk verified, and with the token.
  #verified(file) {
    // One that is moving must outlast that the list is made anew.
    const download = this.#downloads.get(file.id) ?? document.createElement("longhaul-download");
    this.#downloads.set(file.id, download);
    download.setAttribute("href", this.#address(file));
    download.setAttribute("name", file.name);
    if (this.#asWhom) download.token = async () => (await this.#uploader.authorization())?.replace(/^Bearer /, "");
    return download;
  }

  #link(file) {
    return made("a", { href: this.#address(file), download: file.name, textContent: file.name, title: file.name });
  }

  #remover(file) {
    const button = made("button", { type: "button", className: "plain", textContent: say("demo-delete") });
    button.setAttribute("aria-label", say("button-of", { button: button.textContent, name: file.name }));
    button.addEventListener("click", async () => {
      if (!confirm(say("demo-sure", { name: file.name }))) return;
      if (await this.#ask(this.#address(file), { method: "DELETE" })) await this.#refresh();
    });
    return button;
  }

  #address({ id }) {
    return new URL(`files/${id}`, this.#api);
  }

  // The answer's JSON, or {} where it has none; nothing if it was refused, which is then told.
  async #ask(url, options) {
    try {
      this.#asWhom = await this.#uploader.authorization().catch(() => undefined);
      const headers = this.#asWhom ? { authorization: this.#asWhom } : {};
      const answer = await fetch(url, { cache: "no-store", headers, ...options });
      const isJson = /json/.test(answer.headers.get("content-type") ?? "");
      if (answer.ok && (isJson || answer.status === 204)) return isJson ? await answer.json() : {};
      notice.textContent = isJson ? told(await answer.json()) : this.#nobody();
    } catch {
      notice.textContent = this.#nobody();
    }
  }

  #nobody() {
    const where = new URL("/", this.#api).origin;
    return [say("demo-nobody", { where }), this.#hint && say(this.#hint)].filter(Boolean).join(" ");
  }
}

function made(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

// Where a token is needed: a link cannot carry one.
function unlinked({ name }) {
  return made("strong", { textContent: name, title: say("demo-unlinked", { name }) });
}

function about({ size, sealedAt, root }) {
  const text = made("p", { className: "about" });
  const when = new Date(sealedAt).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  const shown = made("code", { textContent: `${root.slice(0, ROOT_SHOWN)}…`, title: say("demo-root", { root }) });
  text.append(`${words().bytes(size)} · ${when} · `, shown);
  return text;
}

function told({ title, detail, advice, requestId }) {
  const request = requestId && say("demo-request", { id: requestId });
  return [`${[title, detail].filter(Boolean).join(": ")}. ${advice}`, request].filter(Boolean).join(" ");
}
