/**
 * Small templates both pages use. Contract (each returns a Lit template):
 *   status("ok" | "wait" | "bad" | "warn" | "off", "words")    icon + words + colour, never colour alone
 *   notice("info" | "warn" | "bad" | "ok", body, {title, testid})   a box with an icon
 *   errorSummary([{text, href?}], {title})                     at the head of the page; focus it with focusErrors(root)
 *   spinner("words")                                           work of unknown length
 *   announce("words")                                          (not a template) says it to screen readers, politely
 */
import { t } from "./i18n.js";
import { icon } from "./icons.js";
import { html, ifDefined, nothing } from "./lit.js";

const STATUS_ICONS = /** @type {const} */ ({ ok: "tick", wait: "clock", bad: "cross", warn: "warning", off: "info" });
const NOTICE_ICONS = /** @type {const} */ ({ ok: "tick", info: "info", warn: "warning", bad: "cross" });

/** @param {keyof typeof STATUS_ICONS} kind @param {unknown} words */
export const status = (kind, words) =>
  html`<span class="status status--${kind}">${icon(STATUS_ICONS[kind])}<span>${words}</span></span>`;

/**
 * @param {keyof typeof NOTICE_ICONS} kind
 * @param {unknown} body
 * @param {{title?: string, testid?: string}} [options]
 */
export const notice = (kind, body, { title, testid } = {}) => html`
  <div class="notice notice--${kind}" data-testid=${ifDefined(testid)}>
    ${icon(NOTICE_ICONS[kind])}
    <div>${title ? html`<strong class="notice__title">${title}</strong>` : nothing}${body}</div>
  </div>
`;

/** @param {{text: string, href?: string}[]} errors @param {{title?: string}} [options] */
export const errorSummary = (errors, { title = t("error.summary") } = {}) =>
  errors.length === 0
    ? nothing
    : html`
        <div class="error-summary" role="alert" tabindex="-1" data-testid="error-summary">
          <h2 class="error-summary__title">${icon("warning")}${title}</h2>
          <ul>
            ${errors.map(({ text, href }) => html`<li>${href ? html`<a href=${href}>${text}</a>` : text}</li>`)}
          </ul>
        </div>
      `;

/** @param {ParentNode} root */
export const focusErrors = (root) => /** @type {HTMLElement | null} */ (root.querySelector(".error-summary"))?.focus();

/** @param {unknown} words */
export const spinner = (words) =>
  html`<p class="spinner" role="status"><span class="spinner__wheel" aria-hidden="true"></span>${words}</p>`;

/** @type {HTMLElement | undefined} */
let voice;

/** @param {string} words */
export function announce(words) {
  if (!voice) {
    voice = document.createElement("div");
    voice.className = "hidden-visually";
    voice.setAttribute("aria-live", "polite");
    document.body.append(voice);
  }
  voice.textContent = words;
}
