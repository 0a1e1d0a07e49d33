// <longhaul-map>: the chunks of the file that moves, each a square, and how fast it went in the last minute. It shows
// what a <longhaul-upload> does, and does nothing itself.
//
// Attributes
//   for     the id of the <longhaul-upload>; the first of the page if left out
//   lang    the language it speaks, of those that there are words for; else that of what is around
//
// Property
//   upload  the number of the upload to show, as events tell it; the one that moved last if it is not set
import { Base, define, put, sheet, template } from "./longhaul-dom.js";
import { COLOURS } from "./longhaul-style.js";
import { addWords, whenWords, wordsOf } from "./longhaul-words.js";

addWords("en", {
  map: "{held} of {n} chunks are on the server, {moving} are on their way",
  "map-rest": "No file moves",
  "map-missing": "to be sent",
  "map-moving": "on its way",
  "map-held": "on the server",
  "map-reused": "was there already",
  "map-retried": "sent again",
  "map-rate": "{rate} now, {most} at most in the last minute",
});

// What `chunks()` of an uploader calls them, in the order of its numbers; and how each is drawn.
const KINDS = ["missing", "moving", "held", "reused", "retried"];
const HELD = [2, 3, 4];
// A square is not larger, nor smaller, CSS pixels: smaller ones show shares of the file.
const [SIDE_MAX, SIDE_MIN] = [18, 3];
// All of them are not higher, CSS pixels.
const HEIGHT_MAX = 144;
// How far back the plot goes, and how often it is drawn, milliseconds.
const [PLOT_MS, PLOT_STEP_MS] = [60_000, 250];

const FRAME = template(`
<figure part="map">
  <canvas part="chunks" role="img"></canvas>
  <canvas part="plot" role="img"></canvas>
  <figcaption part="legend"></figcaption>
</figure>`);

const STYLE = sheet(`
figure { margin: 0; display: grid; gap: .75rem; }
[part=chunks] { width: 100%; height: 18px; }
:host([data-rests]) { display: none; }
[part=plot] { width: 100%; height: 3.5rem; border-bottom: 1px solid var(--line); }
[part=legend] { display: flex; flex-wrap: wrap; gap: .25rem 1rem; font-size: .88rem; font-variant-numeric: tabular-nums; }
[part=legend] span { display: flex; align-items: center; gap: .4rem; }
i { width: .8rem; height: .8rem; border-radius: 3px; background: var(--kind); forced-color-adjust: none; }
.missing { --kind: var(--line); }
.moving { --kind: var(--accent); }
.held { --kind: var(--good); }
.reused { --kind: color-mix(in srgb, var(--good) 55%, var(--accent)); }
.retried { --kind: #c77700; }
`);

export class LonghaulMap extends Base {
  static observedAttributes = ["for", "lang"];
  // Given before this class was there, it is kept.
  upload = this.upload;
  #root = this.attachShadow({ mode: "open" });
  #words;
  #silent = () => {};
  #source;
  #moved;
  #frame;
  #colours;
  // What is drawn: a number for each chunk or share, the squares' place, and the canvas' size.
  #drawn = [];
  #grid = {};
  // When, and how fast, bytes a second.
  #rates = [];
  #plotted = 0;
  #observer;
  #scheme;

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [COLOURS, STYLE];
    this.#root.append(FRAME.content.cloneNode(true));
    for (const kind of KINDS) this.#part("legend").append(entry(kind));
  }

  connectedCallback() {
    this.toggleAttribute("data-rests", !this.#last);
    this.#silent = whenWords(() => this.#speak());
    this.#observer = new ResizeObserver(() => this.#drawAnew());
    this.#observer.observe(this.#part("chunks"));
    this.#scheme = matchMedia("(prefers-color-scheme: dark)");
    this.#scheme.onchange = () => this.#drawAnew();
    this.#listen();
    this.#speak();
  }

  disconnectedCallback() {
    this.#silent();
    this.#observer.disconnect();
    this.#scheme.onchange = null;
    this.#unlisten();
    cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
  }

  attributeChangedCallback(name) {
    if (!this.isConnected) return;
    if (name === "for") this.#listen();
    else this.#speak();
  }

  #part(name) {
    return this.#root.querySelector(`[part=${name}]`);
  }

  #speak() {
    this.#words = wordsOf(this);
    this.#later();
  }

  // What is heard.

  #listen() {
    this.#unlisten();
    const id = this.getAttribute("for");
    this.#source = id ? this.getRootNode().getElementById(id) : document.querySelector("longhaul-upload");
    for (const [type, listener] of Object.entries(this.#heard)) this.#source?.addEventListener(type, listener);
  }

  #unlisten() {
    for (const [type, listener] of Object.entries(this.#heard)) this.#source?.removeEventListener(type, listener);
  }

  #heard = {
    "longhaul-progress": ({ detail }) => {
      this.#moved = detail.id;
      this.#later();
    },
    "longhaul-state": () => this.#later(),
    // It tells of no chunk any more, and all of them are there.
    "longhaul-complete": ({ detail }) => {
      if (this.#lastOf === detail.id) this.#last = this.#last.map((kind) => Math.max(kind, HELD[0]));
      this.#later();
    },
    // Of a page that nobody looks at nothing is drawn, and an upload may take days.
    "longhaul-total": ({ detail }) => this.#since([performance.now(), detail.rate ?? 0]),
  };

  // How fast it was so far back as the plot goes, with what comes now.
  #since(...now) {
    const from = performance.now() - PLOT_MS;
    this.#rates = [...this.#rates, ...now].filter(([at]) => at > from);
  }

  // What is drawn.

  #later() {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.#draw();
    });
  }

  #drawAnew() {
    this.#colours = undefined;
    this.#drawn = [];
    this.#later();
  }

  #draw() {
    const chunks = this.#chunks();
    const counts = KINDS.map(() => 0);
    if (chunks) for (const kind of chunks) counts[kind] += 1;
    // The page around it has its say on its own attributes: only this one is the element's.
    this.toggleAttribute("data-rests", !chunks);
    if (chunks) this.#drawChunks(chunks);
    const now = performance.now();
    if (now - this.#plotted >= PLOT_STEP_MS) this.#plot(now);
    this.#tell(chunks, counts);
    // While something is on its way it goes on by itself, as no event tells of each chunk.
    if (counts[1] && !document.hidden) this.#later();
  }

  // What is over has none any more; it is shown as it was at its end.
  #chunks() {
    const upload = this.upload ?? this.#moved;
    const chunks = this.#source?.chunks?.(upload);
    if (chunks) [this.#last, this.#lastOf] = [chunks, upload];
    return chunks ?? (this.#lastOf === upload ? this.#last : undefined);
  }

  #last;
  #lastOf;

  // Only those that have become others: of ten thousand a frame changes a few.
  #drawChunks(chunks) {
    const canvas = this.#part("chunks");
    const { clientWidth: width } = canvas;
    if (!width) return;
    const scale = devicePixelRatio;
    const shown = inShares(chunks, Math.floor(width / SIDE_MIN) * Math.floor(HEIGHT_MAX / SIDE_MIN));
    if (canvas.width !== Math.round(width * scale) || shown.length !== this.#drawn.length) {
      this.#grid = gridOf(shown.length, width);
      canvas.style.height = `${this.#grid.height}px`;
      [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(this.#grid.height * scale)];
      this.#drawn = new Uint8Array(shown.length).fill(255);
    }
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const { side, columns } = this.#grid;
    const gap = side > 5 ? 1.5 : .5;
    this.#colours ??= this.#readColours();
    for (let at = 0; at < shown.length; at += 1) {
      if (shown[at] === this.#drawn[at]) continue;
      this.#drawn[at] = shown[at];
      const [x, y] = [(at % columns) * side, Math.floor(at / columns) * side];
      context.clearRect(x, y, side, side);
      context.fillStyle = this.#colours[shown[at]];
      context.fillRect(x, y, side - gap, side - gap);
    }
  }

  #readColours() {
    return [...this.#root.querySelectorAll("i")].map((swatch) => getComputedStyle(swatch).backgroundColor);
  }

  #plot(now) {
    this.#plotted = now;
    this.#since();
    const canvas = this.#part("plot");
    const { clientWidth: width, clientHeight: height } = canvas;
    const scale = devicePixelRatio;
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    const most = Math.max(1, ...this.#rates.map(([, rate]) => rate));
    const points = this.#rates.map(([at, rate]) => [width - (now - at) / PLOT_MS * width, height - rate / most * (height - 4)]);
    if (!points.length) return;
    this.#colours ??= this.#readColours();
    context.beginPath();
    context.moveTo(points[0][0], height);
    for (const [x, y] of points) context.lineTo(x, y);
    context.lineTo(points.at(-1)[0], height);
    context.globalAlpha = .25;
    context.fillStyle = this.#colours[1];
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = this.#colours[1];
    context.lineWidth = 1.5;
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.stroke();
    const rates = { rate: this.#words.rate(this.#rates.at(-1)[1]), most: this.#words.rate(most) };
    put(canvas, this.#words.say("map-rate", rates), "ariaLabel");
  }

  // Who does not see it asks; nothing is said by itself.
  #tell(chunks, counts) {
    const held = HELD.reduce((sum, kind) => sum + counts[kind], 0);
    const words = this.#words;
    const label = chunks ? words.say("map", { held, n: chunks.length, moving: counts[1] }) : words.say("map-rest");
    put(this.#part("chunks"), label, "ariaLabel");
    if (!this.#rates.length) put(this.#part("plot"), label, "ariaLabel");
    for (const [kind, name] of KINDS.entries()) {
      put(this.#root.querySelector(`span.${name} bdi`), `${words.say(`map-${name}`)} ${words.count(counts[kind])}`);
    }
  }
}

function entry(kind) {
  const span = document.createElement("span");
  span.className = kind;
  span.append(document.createElement("i"), document.createElement("bdi"));
  return span;
}

// As many as there is room for: of several chunks in one square the one that is furthest from being there.
function inShares(chunks, room) {
  if (chunks.length <= room) return chunks;
  const shares = new Uint8Array(room);
  for (let at = 0; at < room; at += 1) {
    const some = chunks.subarray(Math.floor(at * chunks.length / room), Math.floor((at + 1) * chunks.length / room));
    shares[at] = some.includes(1) ? 1 : Math.min(...some);
  }
  return shares;
}

// The largest squares of which so many fit.
function gridOf(count, width) {
  let side = SIDE_MAX;
  while (side > SIDE_MIN && Math.floor(width / side) * Math.floor(HEIGHT_MAX / side) < count) side -= .5;
  const columns = Math.max(1, Math.floor(width / side));
  return { side, columns, height: Math.max(1, Math.ceil(count / columns)) * side };
}

define("longhaul-map", LonghaulMap);
