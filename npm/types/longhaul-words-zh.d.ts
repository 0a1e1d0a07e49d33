import type { LonghaulWords } from "./longhaul-words.js";

/** All that there is to say, in Chinese; added by importing this. */
export const CHINESE: LonghaulWords;
