/**
 * <applicant-revoke>: take the signature back, for good. Contract: .reason = "no_longer_wanted" | "keys_lost"; it asks
 * once more, tells the server, and fires "revoked".
 */
import { ApiError, post } from "../shared/api.js";
import { BetpeElement } from "../shared/element.js";
import { t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice } from "../shared/parts.js";

class ApplicantRevoke extends BetpeElement {
  static properties = { reason: {}, busy: { state: true }, error: { state: true } };

  constructor() {
    super();
    /** @type {"no_longer_wanted" | "keys_lost"} */
    this.reason = "no_longer_wanted";
    this.busy = false;
    /** @type {ApiError | null} */
    this.error = null;
  }

  get #dialog() {
    return /** @type {HTMLDialogElement} */ (this.querySelector("dialog"));
  }

  async #revoke() {
    this.busy = true;
    this.error = null;
    try {
      await post("/api/session/issuance/revoke", { reason: this.reason });
      this.#dialog.close();
      this.dispatchEvent(new Event("revoked"));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.error = error;
    }
    this.busy = false;
  }

  render() {
    return html`
      <button
        type="button"
        class="button button--plain button--wide"
        data-testid="revoke"
        @click=${() => this.#dialog.showModal()}
      >
        ${t("revoke.open")}
      </button>
      <dialog aria-labelledby="revoke-title">
        <h2 id="revoke-title">${t("revoke.title")}</h2>
        <div class="stack dialog__body">
          ${notice("warn", t("revoke.words"))}
          ${this.error ? html`<p class="field__error" role="alert">${icon("warning")}<span>${this.error.words()}</span></p>` : nothing}
          <button
            type="button"
            class="button button--danger button--wide"
            data-testid="revoke-confirm"
            ?disabled=${this.busy}
            @click=${this.#revoke}
          >
            ${t("revoke.yes")}
          </button>
          <form method="dialog">
            <button class="button button--secondary button--wide" data-testid="revoke-keep">${t("revoke.no")}</button>
          </form>
        </div>
      </dialog>
    `;
  }
}
customElements.define("applicant-revoke", ApplicantRevoke);
