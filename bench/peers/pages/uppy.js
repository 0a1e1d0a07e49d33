// Uppy with its tus plugin as their readmes start them, without a dashboard. `?limit=N`: how many
// files at once.
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
import { failed, over, pickedBy } from "./record.js";

const limit = new URLSearchParams(location.search).get("limit");
const uppy = new Uppy();
uppy.use(Tus, { endpoint: new URL("/files", location.href).href, ...(limit && { limit: Number(limit) }) });

pickedBy(document.querySelector("input"), async (files) => {
  try {
    uppy.addFiles(Array.from(files, (data) => ({ name: data.name, type: data.type, data })));
    const result = await uppy.upload();
    if (result.failed.length) throw result.failed[0].error;
    over();
  } catch (error) {
    failed(error);
  }
});
window.ready = true;
