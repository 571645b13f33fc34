/** <applicant-help>: what people ask most, for the screen they are on, and the way out. open(); fires "leave". */
import { BetpeElement } from "../shared/element.js";
import { has, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice } from "../shared/parts.js";

/** Screen -> the questions of it, each a pair of texts help.<name> and help.<name>.answer. @type {Record<string, string[]>} */
const QUESTIONS = {
  welcome: ["what_is", "what_kept", "cannot_hear"],
  device: ["camera", "cannot_hear", "other_phone"],
  "card-front": ["card_picture", "no_card", "other_phone"],
  "card-back": ["card_picture", "other_phone"],
  check: ["wrong_number", "what_kept"],
  waiting: ["close_page", "how_long", "cannot_hear"],
  "second-person": ["second_person", "close_page"],
  call: ["cannot_hear", "poor_picture", "what_asked"],
  deciding: ["what_kept", "poor_picture"],
  signature: ["forgot_password", "where_file"],
  certificate: ["where_file", "forgot_password", "revoke"],
  rejected: ["why_rejected"],
};
const CAN_LEAVE = new Set(["device", "card-front", "card-back", "specimen", "check", "waiting", "call", "second-person"]);

class ApplicantHelp extends BetpeElement {
  static properties = { journey: { attribute: false }, shown: { state: true } };

  constructor() {
    super();
    this.journey = /** @type {import("./journey.js").Journey} */ (/** @type {unknown} */ (undefined));
    this.shown = false;
  }

  async open() {
    this.shown = true;
    await this.updateComplete;
    /** @type {HTMLDialogElement} */ (this.querySelector("dialog")).showModal();
  }

  #leave() {
    /** @type {HTMLDialogElement} */ (this.querySelector("dialog")).close();
    this.dispatchEvent(new Event("leave"));
  }

  render() {
    const { screen } = this.journey;
    const questions = (QUESTIONS[screen] ?? ["what_is"]).filter((name) => has(`help.${name}`));
    return html`
      <dialog aria-labelledby="help-title" data-testid="help-dialog" @close=${() => (this.shown = false)}>
        ${this.shown
          ? html`
              <div class="stack">
                <h2 id="help-title">${t("help.title")}</h2>
                ${notice("warn", t("fraud.words"), { title: t("fraud.title") })}
                ${questions.map(
                  (name) => html`
                    <details class="details">
                      <summary>${t(`help.${name}`)}</summary>
                      <p class="details__body">${t(`help.${name}.answer`)}</p>
                    </details>
                  `,
                )}
                ${CAN_LEAVE.has(screen)
                  ? html`<button type="button" class="button button--secondary button--wide" data-testid="help-leave" @click=${this.#leave}>
                      ${icon("leave")}${t("help.leave")}
                    </button>`
                  : nothing}
                <form method="dialog">
                  <button class="button button--wide" data-testid="help-close">${t("common.close")}</button>
                </form>
              </div>
            `
          : nothing}
      </dialog>
    `;
  }
}
customElements.define("applicant-help", ApplicantHelp);
