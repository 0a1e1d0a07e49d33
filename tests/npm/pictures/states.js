// What is to be seen on each picture: the events that the client would tell.
const NAME = "A walk in the mountains.mov";
const SIZE = 1_288_490_188;
const CHUNKS = 154;
const RATE = 12_400_000;
const page = () => document.querySelector("longhaul-upload");

function sized(name, size) {
  return Object.defineProperty(new File([], name), "size", { value: size });
}

function stands(state, more = {}, id = 1, name = NAME) {
  window.tell("state", { id, name, state, code: "", message: "", retryAt: null, ...more });
}

function comes(share, more = {}, id = 1, name = NAME, total = SIZE) {
  const acknowledged = Math.round(total * share);
  const left = Math.round((total - acknowledged) / RATE) * 1000;
  window.tell("progress", { id, name, total, acknowledged, inFlight: 0, reused: 0, checked: 0, rate: RATE, leftMs: left, ...more });
}

// Half a minute of sending, with a gap where the network was cut.
function sent(cut) {
  for (let at = 0; at < 60; at += 1) {
    window.pass(500);
    const isCut = cut && at > 38 && at < 44;
    const rate = isCut ? 0 : RATE * Math.min(1, at / 6) * (1 + .12 * Math.sin(at * .9));
    window.tell("total", { files: 1, done: 0, failed: 0, paused: 0, moving: 1, held: false, total: SIZE, acknowledged: 0, inFlight: 0, reused: 0, rate, leftMs: 0 });
  }
}

function held(count, { moving = 0, again = [], reused = 0 } = {}) {
  window.chunks = new Uint8Array(CHUNKS).fill(2, 0, count).fill(1, count, count + moving).fill(3, 0, reused);
  for (const at of again) window.chunks[at] = 4;
}

async function one(name = NAME, size = SIZE) {
  await page().addFiles([sized(name, size)]);
}

async function uploading(cut = false) {
  held(94, { moving: 5, again: cut ? [61, 62, 63, 64] : [] });
  await one();
  stands("uploading");
  sent(cut);
  comes(.41);
  if (cut) await cutNow();
  comes(.62);
}

// By the page's own switch.
async function cutNow() {
  document.getElementById("cut").click();
  await new Promise((resolve) => { setTimeout(resolve, 50); });
  window.pass(1400);
}

async function over(reused) {
  held(CHUNKS, { reused: reused ? CHUNKS : 0 });
  await one();
  stands("uploading");
  if (!reused) sent(false);
  window.pass(reused ? 400 : 73_000);
  comes(1, { reused: reused ? SIZE : 0 });
  window.tell("complete", { id: 1, name: NAME, url: "/v1/files/1", file: { id: "1", name: NAME } });
  stands("done");
}

window.states = {
  async empty() {},
  async dragging() {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([], "film.mp4"));
    const event = new DragEvent("dragover", { cancelable: true, dataTransfer });
    page().shadowRoot.querySelector("[part=drop]").dispatchEvent(event);
  },
  uploading,
  async cut() {
    await uploading(true);
  },
  async paused() {
    held(71);
    await one();
    stands("uploading");
    sent(false);
    comes(.46);
    stands("paused");
  },
  async offline() {
    Object.defineProperty(navigator, "onLine", { value: false });
    held(71);
    await one();
    stands("uploading");
    sent(false);
    comes(.46);
    stands("waiting", { code: "network", message: "no answer from the server", retryAt: Date.now() + 8000 });
  },
  async retrying() {
    held(71);
    await one();
    stands("uploading");
    sent(false);
    comes(.46);
    stands("waiting", { code: "network", message: "no answer from the server", retryAt: Date.now() + 8000 });
  },
  async error() {
    await one();
    stands("opening");
    stands("failed", { code: "too-large" });
    window.tell("error", { id: 1, name: NAME, code: "too-large", message: "the server takes no file as large as this one", advice: "Send a smaller file", problem: null });
  },
  async instant() {
    await over(true);
  },
  async done() {
    await over(false);
  },
  async many() {
    const count = 10_000;
    await page().addFiles(Array.from({ length: count }, (_, at) => ({
      file: sized(`IMG_${String(at + 1).padStart(5, "0")}.raw`, 24_000_000 + at % 7 * 900_000),
      path: `Expedition/Day ${1 + Math.floor(at / 500)}/IMG_${String(at + 1).padStart(5, "0")}.raw`,
    })));
    const name = (id) => `IMG_${String(id).padStart(5, "0")}.raw`;
    for (let id = 1; id <= 6; id += 1) {
      const size = 24_000_000 + (id - 1) % 7 * 900_000;
      stands("uploading", {}, id, name(id));
      window.pass(2000);
      comes(id < 5 ? 1 : .3, {}, id, name(id), size);
      if (id < 5) stands("done", {}, id, name(id));
    }
    window.tell("total", { files: count, done: 4, failed: 0, paused: 0, moving: 2, held: false, total: 267e9, acknowledged: 112_500_000, inFlight: 0, reused: 0, rate: RATE, leftMs: 21_524_000 });
  },
};
