// The least that a page can do to have a file verified: some workers that read, hash and send one
// chunk after the other, and nothing else. `?lanes=N`; `?bare=1`: without reading and hashing, one
// buffer sent again and again.
import { failed, over, pickedBy } from "./record.js";

const query = new URLSearchParams(location.search);
const lanes = Number(query.get("lanes") ?? 3);
const bare = query.has("bare");
const workers = Array.from({ length: lanes }, () => new Worker("loop-lane.js"));

pickedBy(document.querySelector("input"), ([file]) => send(file).then(() => over(), failed));
window.ready = true;

async function send(file) {
  const { id, chunkSize } = await ask("/v1/uploads", { protocolVersion: 1, size: file.size, name: file.name });
  const count = Math.ceil(file.size / chunkSize);
  const digests = [];
  let next = 0;
  const lane = async (worker) => {
    while (next < count) {
      const index = next++;
      const start = index * chunkSize;
      const end = Math.min(start + chunkSize, file.size);
      digests[index] = await done(worker, { url: `/v1/uploads/${id}/chunks`, file, index, start, end, bare });
    }
  };
  await Promise.all(workers.map(lane));
  const root = await crypto.subtle.digest("SHA-256", await new Blob(digests).arrayBuffer());
  await ask(`/v1/uploads/${id}/seal`, { root: btoa(String.fromCharCode(...new Uint8Array(root))) });
}

function done(worker, order) {
  worker.postMessage(order);
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(data.error) : resolve(data.digest));
  });
}

async function ask(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return answer.json();
}
