/** The attributes of `<longhaul-map>`, as markup has them. */
export interface LonghaulMapAttributes {
  /** The id of the `<longhaul-upload>`; the first of the page if left out. */
  for?: string;
  /** The language it speaks, of those that there are words for; else that of what is around. */
  lang?: string;
}

/** `<longhaul-map>`: where each chunk of the file that moves is, and how fast it went in the last minute. */
export class LonghaulMap extends HTMLElement {
  /** The number of the upload to show, as events tell it; the one that moved last if it is not set. */
  upload: number | undefined;
}

declare global {
  interface HTMLElementTagNameMap {
    "longhaul-map": LonghaulMap;
  }
}
