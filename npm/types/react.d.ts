import type { DetailedHTMLProps, ForwardRefExoticComponent, HTMLAttributes, RefAttributes } from "react";
import type { DownloaderOptions } from "./longhaul-downloader.js";
import type {
  LonghaulDownload as DownloadElement, LonghaulDownloadAttributes, LonghaulDownloadEventMap,
} from "./longhaul-download.js";
import type {
  LogLevel, LonghaulUpload as UploadElement, LonghaulUploadAttributes, LonghaulUploadEventMap, Token,
} from "./longhaul-upload.js";

type Html = Omit<HTMLAttributes<HTMLElement>, "onProgress" | "onError" | "children">;

/** Props of `LonghaulUpload`; what else an element may have goes through. */
export interface LonghaulUploadProps extends Html {
  /** The server's address; the page's own server if left out. Counts until the first pick. */
  endpoint?: string;
  multiple?: boolean;
  directory?: boolean;
  accept?: string;
  maxSize?: number;
  camera?: boolean;
  /** `false`: nothing is sent before somebody presses Start, or the page calls `resumeAll()`. Changes while nothing is shown. */
  autoStart?: boolean;
  name?: string;
  required?: boolean;
  disabled?: boolean;
  filesAtOnce?: number;
  rateMax?: number;
  verifySource?: boolean;
  logLevel?: LogLevel;
  leaveQuietly?: boolean;
  forgetFiles?: boolean;
  /** Who uploads. A function may be made anew at each rendering. */
  token?: Token;
  /** Before a file is taken in; its default can be prevented. */
  onAccept?(event: LonghaulUploadEventMap["longhaul-accept"]): void;
  onState?(event: LonghaulUploadEventMap["longhaul-state"]): void;
  onProgress?(event: LonghaulUploadEventMap["longhaul-progress"]): void;
  onComplete?(event: LonghaulUploadEventMap["longhaul-complete"]): void;
  onError?(event: LonghaulUploadEventMap["longhaul-error"]): void;
  onTotal?(event: LonghaulUploadEventMap["longhaul-total"]): void;
  onDirectory?(event: LonghaulUploadEventMap["longhaul-directory"]): void;
}

/** Props of `LonghaulDownload`; what else an element may have goes through. */
export interface LonghaulDownloadProps extends Html {
  /** The file's address: `…/v1/files/` and its id. */
  href?: string;
  name?: string;
  root?: string;
  noPicker?: boolean;
  token?: DownloaderOptions["token"];
  onState?(event: LonghaulDownloadEventMap["longhaul-download-state"]): void;
  onProgress?(event: LonghaulDownloadEventMap["longhaul-download-progress"]): void;
  onComplete?(event: LonghaulDownloadEventMap["longhaul-download-complete"]): void;
  onError?(event: LonghaulDownloadEventMap["longhaul-download-error"]): void;
}

/** `<longhaul-upload>`; its `ref` is the element. */
export const LonghaulUpload: ForwardRefExoticComponent<LonghaulUploadProps & RefAttributes<UploadElement>>;
/** `<longhaul-download>`; its `ref` is the element. */
export const LonghaulDownload: ForwardRefExoticComponent<LonghaulDownloadProps & RefAttributes<DownloadElement>>;

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "longhaul-upload": DetailedHTMLProps<HTMLAttributes<UploadElement>, UploadElement> & LonghaulUploadAttributes;
      "longhaul-download": DetailedHTMLProps<HTMLAttributes<DownloadElement>, DownloadElement> & LonghaulDownloadAttributes;
    }
  }
}
