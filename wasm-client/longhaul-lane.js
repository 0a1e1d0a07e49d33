// A lane's worker: the page's own wasm, compiled once there and handed over in the first message.
// Everything after that is an order.
import init, { Lane } from "./longhaul.js";

self.onmessage = ({ data: module }) => {
  const lane = init({ module_or_path: module }).then(
    () => new Lane((report) => self.postMessage(report)),
  );
  // A promise that fails in a worker is not told to the page; an error that is thrown is.
  lane.catch((error) => setTimeout(() => { throw error; }));
  self.onmessage = async ({ data: order }) => (await lane).handle(order);
  // After a trap inside the wasm nothing in here can be relied on: the page starts another worker.
  self.addEventListener("unhandledrejection", ({ reason }) => setTimeout(() => { throw reason; }));
};
