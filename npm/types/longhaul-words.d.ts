/** The texts of one language, by their names: those of `ENGLISH`, of which any may be left out, and `error-` with a code of
 * an error. In a text `{name}` stands for what it is about; one that depends on a number `n` has a form for each of the
 * language's plural categories (`Intl.PluralRules`), `other` at least. */
export interface LonghaulWords {
  [name: string]: string | ({ other: string } & Partial<Record<Intl.LDMLPluralRule, string>>);
}

/** All that there is to say, in English. */
export const ENGLISH: LonghaulWords;

/** Adds a language, by its BCP 47 tag, or changes what is said in one. Elements that stand where that language is spoken
 * (the nearest `lang` around them, else the browser's) speak it from then on. */
export function addWords(language: string, words: LonghaulWords): void;
