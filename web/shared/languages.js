/** <betpe-languages>: the language switch. Contract: it switches by itself and fires "chosen" (detail: language). */
import { BetpeElement } from "./element.js";
import { LANGUAGE_NAMES, LANGUAGE_SHORT_NAMES, LANGUAGES, language, t, useLanguage } from "./i18n.js";
import { html } from "./lit.js";

/** What is seen is the beginning of what is heard (WCAG 2.5.3). @param {import("./i18n.js").Language} each */
function shortName(each) {
  const seen = LANGUAGE_SHORT_NAMES[each];
  return html`${seen}<span class="hidden-visually">${LANGUAGE_NAMES[each].slice(seen.length)}</span>`;
}

class BetpeLanguages extends BetpeElement {
  static properties = { short: { type: Boolean } };

  constructor() {
    super();
    /** Three letters instead of whole names, where there is little room. */
    this.short = false;
  }

  /** @param {import("./i18n.js").Language} chosen */
  async #choose(chosen) {
    await useLanguage(chosen);
    this.dispatchEvent(new CustomEvent("chosen", { detail: chosen, bubbles: true }));
  }

  render() {
    return html`
      <div class="languages" role="group" aria-label=${t("language.choose")}>
        ${LANGUAGES.map(
          (each) => html`
            <button
              type="button"
              class="languages__button"
              lang=${each}
              aria-pressed=${each === language() ? "true" : "false"}
              data-testid="language-${each}"
              @click=${() => this.#choose(each)}
            >
              ${this.short ? shortName(each) : LANGUAGE_NAMES[each]}
            </button>
          `,
        )}
      </div>
    `;
  }
}
customElements.define("betpe-languages", BetpeLanguages);
