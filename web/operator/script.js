/**
 * The sentences of the script in the citizen's language, which may not be the page's.
 * Contract: await loadScript("kk"); say("kk", "greet", {operator}) -> the sentence, or "" when it is not there yet;
 * sentence("kk", "features.ask.tilt") -> any other text in that language.
 */

/** @type {Map<string, Record<string, string>>} */
const scripts = new Map();

/** @param {string} language */
export async function loadScript(language) {
  if (scripts.has(language)) return;
  const answer = await fetch(new URL(`../locales/operator.${language}.json`, import.meta.url));
  if (answer.ok) scripts.set(language, await answer.json());
}

/** @param {string} language @param {string} step @param {Record<string, string>} values */
export const say = (language, step, values) => sentence(language, `say.${step}`, values);

/** Any text of the page's in that language. @param {string} language @param {string} key @param {Record<string, string>} [values] */
export function sentence(language, key, values = {}) {
  const found = scripts.get(language)?.[key];
  return typeof found === "string" ? found.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole) : "";
}
