// The language of the page: of the person's choice, else of the browser. Its elements follow `lang`.
import "./longhaul-words-zh.js";
import { CHINESE, ENGLISH } from "./demo-words.js";
import { addWords, speak, whenWords, wordsOf } from "./longhaul-words.js";

const page = document.documentElement;
const button = document.getElementById("language");
const KEPT = "longhaul-demo-language";
// What each is called by who speaks it.
const LANGUAGES = { en: "English", zh: "中文" };

export function say(name, values) {
  return words().say(name, values);
}

export function words() {
  return wordsOf(page);
}

// Calls it now, and whenever the language is another.
export function whenSpoken(listener) {
  whenWords(listener);
  listener();
}

export function startLanguage() {
  page.lang = kept() ?? preferred();
  button.addEventListener("click", () => {
    page.lang = other();
    keep(page.lang);
  });
  // Whoever sets it: elements look again when words come.
  new MutationObserver(() => addWords("en", {})).observe(page, { attributeFilter: ["lang"] });
  addWords("en", ENGLISH);
  addWords("zh", CHINESE);
  whenSpoken(() => {
    speak(document.body, words());
    button.lang = other();
    button.textContent = LANGUAGES[other()];
  });
}

function other() {
  return page.lang.startsWith("zh") ? "en" : "zh";
}

function preferred() {
  const known = navigator.languages.map((language) => language.slice(0, 2).toLowerCase());
  return known.find((language) => language in LANGUAGES) ?? "en";
}

// A page that may keep nothing asks the browser each time.
function kept() {
  try {
    const language = localStorage.getItem(KEPT);
    return language in LANGUAGES ? language : undefined;
  } catch {
    return undefined;
  }
}

function keep(language) {
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // It is asked for again next time.
  }
}
