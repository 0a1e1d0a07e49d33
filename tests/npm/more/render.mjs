// What a server that renders pages does: it loads every entry and renders the components.
import { createElement } from "react";
import { renderToString } from "react-dom/server";

for (const entry of ["", "/upload", "/download", "/downloader", "/react", "/inline", "/inline/upload", "/inline/download", "/inline/downloader"]) {
  await import(`longhaul${entry}`);
}
const { LonghaulDownload, LonghaulUpload } = await import("longhaul/react");
console.log(renderToString(createElement(LonghaulUpload, { endpoint: "/e", multiple: true, directory: false, filesAtOnce: 2, token: () => "x", onComplete() {} })));
console.log(renderToString(createElement(LonghaulDownload, { href: "/f", noPicker: true, className: "a" })));
