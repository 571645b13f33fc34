/**
 * Words, numbers and dates in the language of the page.
 *
 * Contract
 *   await start("applicant")       loads locales/shared.<language>.json and locales/applicant.<language>.json
 *   await start(["operator", "records"])   the same with several; of two texts with one key the later counts
 *   await useLanguage("ru")        switches, remembers the choice, sets <html lang>, tells every listener
 *   language()                     "kk" | "ru" | "en"
 *   onLanguage(listener)           -> a function that stops listening (BetpeElement does this by itself)
 *   t("key", {name: "..."})        the text; {name} is replaced. A text with plural forms is an object
 *                                  {"one": ..., "few": ..., "other": ...} and is chosen by values.count
 *   has("key")                     whether there is such a text
 *   code("error", "link_invalid")  the text of "error.link_invalid", else of "error.unknown"
 *   number(1234.5), date(iso), time(iso), dateTime(iso), clock(seconds)
 *
 * Chromium carries no Kazakh data (dates come out as "2026 M11 22"), so month names and order are our own for kk,
 * and numbers are written as in Russian, which Kazakh shares: 1 234,5.
 */

export const LANGUAGES = /** @type {const} */ (["kk", "ru", "en"]);
/** Each language by its own name. */
export const LANGUAGE_NAMES = { kk: "Қазақша", ru: "Русский", en: "English" };
/** The same where there is little room. */
export const LANGUAGE_SHORT_NAMES = { kk: "Қаз", ru: "Рус", en: "Eng" };
/** What Intl is asked for. */
const INTL_LOCALE = { kk: "ru", ru: "ru", en: "en-GB" };
const KAZAKH_MONTHS = [
  "қаңтар",
  "ақпан",
  "наурыз",
  "сәуір",
  "мамыр",
  "маусым",
  "шілде",
  "тамыз",
  "қыркүйек",
  "қазан",
  "қараша",
  "желтоқсан",
];
const REMEMBERED_AS = "betpe.language";

/** @typedef {"kk" | "ru" | "en"} Language */
/** @typedef {string | Record<string, string>} Text */

/** @type {Language} */
let current = "kk";
/** @type {Record<string, Text>} */
let texts = {};
/** @type {string[]} */
let pageNames = [];
/** @type {Set<() => void>} */
const listeners = new Set();

/** @param {unknown} value @returns {value is Language} */
function isLanguage(value) {
  return typeof value === "string" && /** @type {readonly string[]} */ (LANGUAGES).includes(value);
}

/** @param {string} file */
async function load(file) {
  const answer = await fetch(new URL(`../locales/${file}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`locales/${file}.json: status ${answer.status}`);
  return /** @type {Promise<Record<string, Text>>} */ (answer.json());
}

/** The language that was chosen here before; Kazakh when none was. @returns {Language} */
export function rememberedLanguage() {
  try {
    const stored = localStorage.getItem(REMEMBERED_AS);
    return isLanguage(stored) ? stored : "kk";
  } catch {
    return "kk"; // storage is switched off: the page works, it just does not remember
  }
}

/** @param {string | string[]} page name of the page's own texts @param {Language} [preferred] */
export async function start(page, preferred = rememberedLanguage()) {
  pageNames = [page].flat();
  await useLanguage(preferred);
}

/** @param {Language} chosen */
export async function useLanguage(chosen) {
  if (!isLanguage(chosen)) return;
  const loaded = await Promise.all(["shared", ...pageNames].map((name) => load(`${name}.${chosen}`)));
  current = chosen;
  texts = Object.assign({}, ...loaded);
  document.documentElement.lang = chosen;
  try {
    localStorage.setItem(REMEMBERED_AS, chosen);
  } catch {
    // as above: a page that may not store still speaks the language
  }
  for (const listener of listeners) listener();
}

export const language = () => current;

/** @param {() => void} listener @returns {() => void} */
export function onLanguage(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** @param {string} key */
export const has = (key) => Object.hasOwn(texts, key);

/**
 * @param {string} key
 * @param {Record<string, string | number>} [values] numbers are written in the page's language
 * @returns {string}
 */
export function t(key, values = {}) {
  const text = texts[key];
  if (text === undefined) {
    console.error(`no text for ${key} in ${current}`);
    return key;
  }
  const chosen = typeof text === "string" ? text : (text[pluralForm(Number(values.count))] ?? text.other);
  return chosen.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? number(value) : value;
  });
}

/** @param {string} family @param {string} name */
export function code(family, name) {
  const key = `${family}.${name}`;
  return t(has(key) ? key : `${family}.unknown`);
}

/** @param {number} count */
const pluralForm = (count) => new Intl.PluralRules(current).select(count);

/** @param {number} value @param {Intl.NumberFormatOptions} [options] */
export const number = (value, options) => new Intl.NumberFormat(INTL_LOCALE[current], options).format(value);

/** A day: "2031-04-11" is that day everywhere; a moment is the day here. @param {string} iso */
export function date(iso) {
  const dayOnly = /^\d{4}-\d{2}-\d{2}$/.test(iso);
  const moment = new Date(dayOnly ? `${iso}T12:00:00` : iso);
  if (Number.isNaN(moment.getTime())) return iso;
  if (current === "kk") {
    return `${moment.getFullYear()} жылғы ${moment.getDate()} ${KAZAKH_MONTHS[moment.getMonth()]}`;
  }
  return new Intl.DateTimeFormat(INTL_LOCALE[current], { day: "numeric", month: "long", year: "numeric" }).format(moment);
}

/** Hours and minutes here. @param {string} iso */
export function time(iso) {
  return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(new Date(iso));
}

/** @param {string} iso */
export const dateTime = (iso) => `${date(iso)}, ${time(iso)}`;

/** Seconds as a clock: 370 -> "6:10". @param {number} seconds */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
