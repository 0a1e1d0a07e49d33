import type { Uploader as Bare } from "./longhaul.js";

export type {
  CompleteDetail, ErrorDetail, FileInfo, LogLevel, Problem, ProgressDetail, StateDetail, TotalDetail, UploadDetail,
  UploadState, UploaderEvents, UploaderOptions,
} from "./longhaul.js";

/** Loads the client's wasm, once however often it is called; it is rejected if that does not come, and tried again
 * by the next call. On a server nothing is to be loaded. */
export function load(): Promise<void>;

/** Uploads files and does not lose them. Made after `load()` is through.
 *
 * @example
 * ```js
 * await load();
 * const uploader = new Uploader({ endpoint: "https://files.example.org" });
 * uploader.addEventListener("complete", ({ detail }) => console.log(detail.url));
 * uploader.add(file);
 * ``` */
export class Uploader extends Bare {}
