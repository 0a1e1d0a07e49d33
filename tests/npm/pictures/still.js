// Before the scripts of a page of which a picture is taken: its time stands, nothing is kept of an earlier picture, and
// its server and its network say what is to be seen.
let now = 0;
const BEGUN = Date.UTC(2026, 4, 4, 9, 30);
Date.now = () => BEGUN + now;
performance.now = () => now;
window.pass = (ms) => { now += ms; };
Object.defineProperty(window, "indexedDB", { value: undefined });

const file = (name, size, root, minutes) =>
  ({ id: name, name, size, root, chunkSize: 1, chunkCount: 1, sealedAt: BEGUN - minutes * 60_000 });
const ANSWERS = {
  "/v1/files": {
    files: [
      file("Interviews, second day.wav", 734_003_200, "mG2vT0qXnJ4pQeRw", 18),
      file("Field notes.pdf", 2_413_568, "c8Yb1uLfZk0sHdPa", 64),
      file("地图与照片.zip", 96_468_992, "Rk7xWq3nTz5vBj9e", 190),
    ],
  },
  "/network": { speed: "home", loses: false, offlineMs: 0, broken: 5 },
};
window.fetch = async (address) => Response.json(ANSWERS[new URL(address).pathname]);
