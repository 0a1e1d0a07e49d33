/** How to make a Downloader. */
export interface DownloaderOptions {
  /** The token that says who downloads, or a function that gets one: called before the first request and
   * whenever the server refuses the last one. */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** What a download may take, bytes a second; as much as comes if left out. `setRateMax` changes it. */
  rateMax?: number;
  /** How many chunks are fetched at once, at most 5; 5 if left out. */
  lanes?: number;
}

/** What may be said of a file. */
export interface AddOptions {
  /** The root that it has to have, base64, if it is known from elsewhere. */
  root?: string;
  /** Where the person wants it, from `showSaveFilePicker`; the browser's own storage if left out. What is there
   * is written over. */
  handle?: FileSystemFileHandle;
}

/** Where a download stands. `failed` and `paused` are left by `resume`. */
export type DownloadState =
  | "queued" | "opening" | "downloading" | "checking" | "finishing" | "waiting" | "renewing"
  | "paused" | "done" | "failed" | "cancelled";

/** What every event tells. */
export interface DownloadDetail {
  /** What `add` returned. */
  id: number;
}

/** Detail of `state`. */
export interface DownloadStateDetail extends DownloadDetail {
  state: DownloadState;
  /** For programs: why it waits or has failed, as an error's or `network` or `local`; else empty. */
  code: string;
  /** What happened, where something did; else empty. */
  message: string;
  /** While `waiting`: when the next try comes by itself, milliseconds since 1970. */
  retryAt: number | null;
}

/** Detail of `progress`: bytes, bytes a second, milliseconds. */
export interface DownloadProgressDetail extends DownloadDetail {
  total: number;
  /** Verified and written. */
  acknowledged: number;
  /** Came, and is not verified yet. */
  inFlight: number;
  /** Of `acknowledged`, what an earlier session had written. */
  reused: number;
  rate: number;
  leftMs: number | null;
}

/** What the server says of a file. */
export interface DownloadedFile {
  id: string;
  name: string;
  size: number;
  root: string;
  chunkSize: number;
  chunkCount: number;
  sha256?: string | null;
}

/** Detail of `complete`. */
export interface DownloadCompleteDetail extends DownloadDetail {
  file: DownloadedFile;
  /** The file, every byte of it verified. Of one in the browser's own storage: save it, then call `remove`. Its
   * bytes are somebody's upload: give it the type `application/octet-stream` before a URL is made of it, or a
   * browser may show it as a page of your site. */
  blob: File;
  /** Whether it is where the person has picked. */
  isPicked: boolean;
}

/** Detail of `error`. */
export interface DownloadErrorDetail extends DownloadDetail {
  /** `unable`: nothing can be kept here, a plain link is what is left. `full`: no room. `denied`: the browser, or
   * another tab that has the file. `target-failed`, `target-silent`: it cannot be written. `manifest`: it does
   * not hold together, or is another file's. `damaged`: a chunk came with other bytes five times. `unserved`: the
   * server failed at a chunk five times. `range-ignored`: what answers is no such server. `worker`: it does not
   * start, or has ended. Else the code of the server's refusal. */
  code: string;
  /** What happened. */
  message: string;
  /** What to do next. */
  advice: string;
  /** The server's refusal (RFC 9457), if it was one. */
  problem: object | null;
}

interface DownloaderEvents {
  state: CustomEvent<DownloadStateDetail>;
  file: CustomEvent<Omit<DownloadedFile, "id"> & DownloadDetail>;
  progress: CustomEvent<DownloadProgressDetail>;
  complete: CustomEvent<DownloadCompleteDetail>;
  error: CustomEvent<DownloadErrorDetail>;
}

/** Downloads files, each verified chunk by chunk against its manifest, one at a time of all tabs. */
export class Downloader extends EventTarget {
  constructor(options?: DownloaderOptions);
  /** Begins with the file at that address, `.../v1/files/` and its id, or goes on with it; its number. */
  add(url: string, options?: AddOptions): number;
  /** Lets it rest; what is there is kept. */
  pause(id: number): void;
  /** Goes on after a pause or a failure; tries at once what waits. */
  resume(id: number): void;
  /** Gives it up, and removes what there is of it in the browser's own storage. */
  cancel(id: number): void;
  /** Bytes a second of each download; as much as comes if left out. */
  setRateMax(bytesPerSecond?: number): void;
  addEventListener<K extends keyof DownloaderEvents>(
    type: K, listener: (event: DownloaderEvents[K]) => void, options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions,
  ): void;
}

/** What keeps this browser from keeping a download, in words; `undefined` if nothing is known to. */
export function hindrance(): Promise<string | undefined>;
/** Whether some of the file at that address was downloaded before. */
export function isBegun(url: string): Promise<boolean>;
/** Removes what is kept of the file at that address, once it is saved or not wanted. */
export function remove(url: string): Promise<void>;
