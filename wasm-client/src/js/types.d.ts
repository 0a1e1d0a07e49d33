
/** How to make an Uploader. */
export interface UploaderOptions {
  /** The server's address, absolute or relative to the page; the page's own server if left out. */
  endpoint?: string;
  /** How many files move at once, at most 5; 1 if left out. One file can fill every lane; several
   * share them, and the buffers too. Of files of at most 256 KiB, which go in one request each, five
   * move at once whatever is said here. */
  filesAtOnce?: number;
  /** Whether every file is read and hashed once more before it is sealed: only so a change while it
   * was being read is noticed in Firefox, where the system reports none. It costs reading the file a
   * second time. */
  verifySource?: boolean;
  /** What all uploads of the page together may send, bytes a second, at least 65536; as much as the
   * network takes if left out. `setRateMax` changes it at any time. */
  rateMax?: number;
  /** How much is written to the console, of all uploads of the page; `"warn"` if it was never said. */
  logLevel?: LogLevel;
  /** The token that says who uploads, or a function that gets one: called before the first request
   * and whenever the server refuses the last one. Without it, a server that lets guests in gives a
   * token, which is kept in `localStorage`. */
  token?: string | (() => string | Promise<string>);
  /** Starts a worker with `longhaul-lane.js` in it, for all uploads of the page; the one of `longhaul-client.js`
   * says it by itself. Without one the page does all the work. */
  startLane?: () => Worker;
}

/** Nothing; what a person has to do something about; also what is tried again; also where each file
 * stands; also every request. */
export type LogLevel = "silent" | "error" | "warn" | "info" | "debug";

/** Where an upload stands. */
export type UploadState =
  | "queued" | "elsewhere" | "opening" | "uploading" | "verifying" | "sealing" | "waiting" | "renewing"
  | "paused" | "cancelling" | "done" | "failed" | "cancelled";

/** What every event tells. */
export interface UploadDetail {
  /** What `add` returned. */
  id: number;
  /** The file's name, as the server will have it. */
  name: string;
}

/** Detail of `state`. */
export interface StateDetail extends UploadDetail {
  state: UploadState;
  /** For programs: why it waits or has failed, as an error's or `network`, `local` or `elsewhere`; else empty. */
  code: string;
  /** What happened, where something did; else empty. */
  message: string;
  /** While `waiting`: when the next try comes by itself, milliseconds since 1970. */
  retryAt: number | null;
}

/** Detail of `progress`: bytes, bytes a second, milliseconds. */
export interface ProgressDetail extends UploadDetail {
  total: number;
  /** In chunks that the server has acknowledged. */
  acknowledged: number;
  /** On their way. */
  inFlight: number;
  /** Of `acknowledged`, what the server had already. */
  reused: number;
  /** Of `total`, what was read once more before the seal, with `verifySource`. */
  checked: number;
  rate: number;
  leftMs: number | null;
}

/** A sealed file, as the server tells of it. */
export interface FileInfo {
  id: string;
  name: string;
  type?: string;
  lastModified?: number;
  relativePath?: string;
  metadata?: Record<string, string>;
  size: number;
  root: string;
  chunkSize: number;
  chunkCount: number;
  sealedAt: number;
}

/** Detail of `complete`. */
export interface CompleteDetail extends UploadDetail {
  file: FileInfo;
  /** Where to download it, absolute. */
  url: string;
}

/** What a server says when it refuses (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  retryable: boolean;
  detail: string;
  advice: string;
}

/** Detail of `error`: the upload cannot go on by itself; `resume` tries again. */
export interface ErrorDetail extends UploadDetail {
  /** The problem's code, or `source-changed`, `source-unreadable`, `damaged`, `nonsense`. */
  code: string;
  /** What happened. */
  message: string;
  /** What to do next. */
  advice: string;
  /** What the server said, if it was the server. */
  problem: Problem | null;
}

/** Detail of `total`: all files since nothing was open the last time, without those that were
 * cancelled. Bytes, bytes a second, milliseconds. */
export interface TotalDetail {
  files: number;
  done: number;
  failed: number;
  /** Those that a person lets rest. */
  paused: number;
  /** Those that have their turn. */
  moving: number;
  /** Between `pauseAll` and `resumeAll`. */
  held: boolean;
  total: number;
  acknowledged: number;
  inFlight: number;
  reused: number;
  rate: number;
  /** Without what is paused or has failed. */
  leftMs: number | null;
}

/** The details of an Uploader's events, by their type. */
export interface UploaderEvents {
  state: StateDetail;
  progress: ProgressDetail;
  complete: CompleteDetail;
  error: ErrorDetail;
  total: TotalDetail;
}

export interface Uploader {
  addEventListener<K extends keyof UploaderEvents>(
    type: K, listener: (event: CustomEvent<UploaderEvents[K]>) => void): void;
  removeEventListener<K extends keyof UploaderEvents>(
    type: K, listener: (event: CustomEvent<UploaderEvents[K]>) => void): void;
}
