import type {
  CompleteDetail, ErrorDetail, LogLevel, ProgressDetail, StateDetail, TotalDetail,
} from "./longhaul.js";

export type {
  CompleteDetail, ErrorDetail, FileInfo, LogLevel, Problem, ProgressDetail, StateDetail, TotalDetail, UploadDetail,
  UploadState,
} from "./longhaul.js";

/** Says who uploads: a token, or a function that gets one, called before the first request and whenever the server
 * refuses the last one. */
export type Token = string | (() => string | Promise<string>);

/** A file, and where it lies in its folder, its name included. */
export interface FileAtPath {
  file: File;
  path?: string;
}

/** Detail of `longhaul-directory`. */
export interface DirectoryDetail {
  /** Where the empty folder lies. */
  path: string;
}

/** Detail of `longhaul-accept`, whose default is to take the file in. */
export interface AcceptDetail {
  file: File;
  /** Where it lies in its folder, its name included. */
  path?: string;
  /** Why it is refused, by whoever prevents the default; shown if it is not empty. */
  reason: string;
}

/** The events of `<longhaul-upload>`, by their type. All bubble and are composed. */
export interface LonghaulUploadEventMap {
  "longhaul-accept": CustomEvent<AcceptDetail>;
  "longhaul-state": CustomEvent<StateDetail>;
  "longhaul-progress": CustomEvent<ProgressDetail>;
  "longhaul-complete": CustomEvent<CompleteDetail>;
  "longhaul-error": CustomEvent<ErrorDetail>;
  "longhaul-total": CustomEvent<TotalDetail>;
  "longhaul-directory": CustomEvent<DirectoryDetail>;
}

/** The attributes of `<longhaul-upload>`, as markup has them. */
export interface LonghaulUploadAttributes {
  /** The server's address; the page's own server if left out. Counts until the first pick. */
  endpoint?: string;
  /** More than one file may be picked, and folders dropped. */
  multiple?: boolean | "";
  /** There is a button to choose a folder too; implies `multiple`. */
  directory?: boolean | "";
  /** As on `<input type="file">`. */
  accept?: string;
  /** How large a file may be, bytes. */
  "max-size"?: number | string;
  /** There is a button to take a photo, where people point with a finger. */
  camera?: boolean | "";
  /** `false`: nothing is sent before somebody presses Start, or the page calls `resumeAll()`. Changes while nothing is shown. */
  "auto-start"?: boolean | "true" | "false";
  /** What the form around calls it, which gets the ids of the files that are sealed. */
  name?: string;
  /** The form around is not sent without any file. */
  required?: boolean | "";
  /** Nothing can be picked. */
  disabled?: boolean | "";
  /** The language it speaks, of those that there are words for; else that of what is around. */
  lang?: string;
  /** How many files move at once, from 1 to 5; 1 if left out. Changes while nothing is shown. */
  "files-at-once"?: number | string;
  /** What all uploads of the page together may send, bytes a second, at least 65536. */
  "rate-max"?: number | string;
  /** Reads every file once more before it is sealed. Changes while nothing is shown. */
  "verify-source"?: boolean | "";
  /** How much is written to the console, of all uploads of the page; `warn` if left out. */
  "log-level"?: LogLevel;
  /** Nobody is asked whether to leave the page while files move. */
  "leave-quietly"?: boolean | "";
  /** Nothing is kept by which the page could ask for a file again after a reload. */
  "forget-files"?: boolean | "";
}

/** `<longhaul-upload>`: attributes in, events out. */
export class LonghaulUpload extends HTMLElement {
  /** Who uploads. Counts while nothing is shown. */
  token: Token | undefined;
  /** A promise of the value of `Authorization` that requests carry, for the page's own requests to the same server;
   * `undefined` where they carry none. */
  authorization(): Promise<string | undefined>;
  /** Takes in files from elsewhere. A promise that all are in the list. */
  addFiles(files: Iterable<File | FileAtPath> | AsyncIterable<File | FileAtPath>): Promise<void>;
  /** Where each chunk of an upload is, one number for each: 0 to be sent, 1 on its way, 2 on the server, 3 there without
   * its being sent, 4 there after more than one try. `undefined` once the upload is over. */
  chunks(id: number): Uint8Array | undefined;
  /** Lets everything rest until `resumeAll`. */
  pauseAll(): void;
  /** Goes on where `pauseAll` stopped. */
  resumeAll(): void;
  addEventListener<K extends keyof LonghaulUploadEventMap>(
    type: K, listener: (this: LonghaulUpload, event: LonghaulUploadEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions): void;
  addEventListener<K extends keyof HTMLElementEventMap>(
    type: K, listener: (this: LonghaulUpload, event: HTMLElementEventMap[K]) => unknown,
    options?: boolean | AddEventListenerOptions): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof LonghaulUploadEventMap>(
    type: K, listener: (this: LonghaulUpload, event: LonghaulUploadEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions): void;
  removeEventListener<K extends keyof HTMLElementEventMap>(
    type: K, listener: (this: LonghaulUpload, event: HTMLElementEventMap[K]) => unknown,
    options?: boolean | EventListenerOptions): void;
  removeEventListener(
    type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "longhaul-upload": LonghaulUpload;
  }
  // Of libraries that look there (Preact, React before 19); React 19 looks in its own, see `longhaul/react`.
  namespace JSX {
    interface IntrinsicElements {
      "longhaul-upload": LonghaulUploadAttributes & Record<string, any>;
    }
  }
}
