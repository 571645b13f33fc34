/**
 * The sentences of the script in the citizen's language, which may not be the page's.
 * Contract: await loadScript("kk"); say("kk", "greet", {operator}) -> the sentence, or "" when it is not there yet.
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
export function say(language, step, values) {
  const sentence = scripts.get(language)?.[`say.${step}`];
  return typeof sentence === "string" ? sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole) : "";
}
