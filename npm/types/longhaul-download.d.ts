import type {
  DownloadCompleteDetail, DownloadErrorDetail, DownloadProgressDetail, DownloadStateDetail, DownloaderOptions,
} from "./longhaul-downloader.js";

export type {
  DownloadCompleteDetail, DownloadDetail, DownloadErrorDetail, DownloadProgressDetail, DownloadState,
  DownloadStateDetail, DownloadedFile,
} from "./longhaul-downloader.js";

/** The events of `<longhaul-download>`, by their type. All bubble and are composed. */
export interface LonghaulDownloadEventMap {
  "longhaul-download-state": CustomEvent<DownloadStateDetail>;
  "longhaul-download-progress": CustomEvent<DownloadProgressDetail>;
  "longhaul-download-complete": CustomEvent<DownloadCompleteDetail>;
  "longhaul-download-error": CustomEvent<DownloadErrorDetail>;
}

/** The attributes of `<longhaul-download>`, as markup has them. */
export interface LonghaulDownloadAttributes {
  /** The file's address: `…/v1/files/` and its id. */
  href?: string;
  /** What it is called, and saved as. */
  name?: string;
  /** The root that it has to have, base64, if it is known from elsewhere. */
  root?: string;
  /** Nobody is asked where to: it goes to the browser's own storage first and is saved from there. */
  "no-picker"?: boolean | "";
  /** The language it speaks, of those that there are words for; else that of what is around. */
  lang?: string;
}

/** `<longhaul-download>`: one file to be downloaded and verified. */
export class LonghaulDownload extends HTMLElement {
  /** Who downloads: a token, or a function that gets one. */
  token: DownloaderOptions["token"];
  /** The file's address, absolute; empty if none is given. */
  readonly href: string;
  addEventListener<K extends keyof LonghaulDownloadEventMap>(
    type: K, listener: (this: LonghaulDownload, event: LonghaulDownloadEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions): void;
  addEventListener<K extends keyof HTMLElementEventMap>(
    type: K, listener: (this: LonghaulDownload, event: HTMLElementEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof LonghaulDownloadEventMap>(
    type: K, listener: (this: LonghaulDownload, event: LonghaulDownloadEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions): void;
  removeEventListener<K extends keyof HTMLElementEventMap>(
    type: K, listener: (this: LonghaulDownload, event: HTMLElementEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions): void;
  removeEventListener(
    type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "longhaul-download": LonghaulDownload;
  }
  // Of libraries that look there (Preact, React before 19); React 19 looks in its own, see `longhaul/react`.
  namespace JSX {
    interface IntrinsicElements {
      "longhaul-download": LonghaulDownloadAttributes & Record<string, any>;
    }
  }
}
