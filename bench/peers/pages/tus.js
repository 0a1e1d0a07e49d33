// tus-js-client as its readme starts it. `?parts=N` sends as many parts of the file at once, each as
// an upload of its own: that is what its `parallelUploads` does, but for the request that joins them,
// which the Node tus server does not know.
import { failed, over, pickedBy } from "./record.js";

const parts = Number(new URLSearchParams(location.search).get("parts") ?? 1);

pickedBy(document.querySelector("input"), async ([file]) => {
  const length = Math.ceil(file.size / parts);
  const starts = Array.from({ length: parts }, (_, part) => part * length);
  try {
    const urls = await Promise.all(starts.map((start) => send(parts === 1 ? file : file.slice(start, start + length))));
    over({ urls });
  } catch (error) {
    failed(error);
  }
});
window.ready = true;

function send(body) {
  return new Promise((resolve, reject) => {
    const upload = new window.tus.Upload(body, {
      endpoint: new URL("/files", location.href).href,
      metadata: { filename: "bench.bin" },
      onError: reject,
      onSuccess: () => resolve(upload.url),
    });
    upload.start();
  });
}
