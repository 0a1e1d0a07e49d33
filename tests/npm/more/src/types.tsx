// Every line has to be taken by TypeScript, and those that say so refused.
import { Uploader, load, type UploaderOptions } from "longhaul";
import { LonghaulUpload as Upload } from "longhaul/upload";
import { Downloader } from "longhaul/downloader";
import "longhaul/download";
import "longhaul/inline/upload";
import { LonghaulDownload, LonghaulUpload } from "longhaul/react";
import { createElement, createRef } from "react";

const options: UploaderOptions = { endpoint: "/", token: async () => "x" };
await load();
const uploader = new Uploader(options);
uploader.addEventListener("complete", ({ detail }) => detail.file.id.length);
const id: number = uploader.add(new File([], "a"), { a: "b" });
// @ts-expect-error
uploader.add("a path");

const element = document.querySelector("longhaul-upload")!;
element.addEventListener("longhaul-complete", ({ detail }) => detail.url.length);
element.addEventListener("click", (event) => event.clientX);
element.token = () => "x";
await element.addFiles([{ file: new File([], "a"), path: "b/a" }]);
const same: Upload = element;
// @ts-expect-error
element.addEventListener("longhaul-complete", ({ detail }) => detail.nothing);
// @ts-expect-error
element.token = 5;

document.createElement("longhaul-download").addEventListener("longhaul-download-progress", ({ detail }) => detail.rate);
new Downloader({ lanes: 2 }).add("/v1/files/1");

const ref = createRef<Upload>();
export const shown = [
  createElement(LonghaulUpload, { ref, endpoint: "/", multiple: true, onComplete: (event) => event.detail.url, className: "a" }),
  createElement(LonghaulDownload, { href: "/", noPicker: true }),
  // @ts-expect-error
  createElement(LonghaulUpload, { endpoint: 5 }),
  createElement("longhaul-upload", { endpoint: "/", "files-at-once": 2 }),
  <longhaul-upload endpoint="/" multiple rate-max={65536} />,
  // @ts-expect-error
  <longhaul-download href={5} />,
];
export { id, same };
