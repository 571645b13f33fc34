/**
 * <betpe-decision-form>: why one rejects, refers, or approves although not everything passed. It stands in the place of
 * the steps, beside the evidence, never over the video.
 * Contract: .kind "reject" | "refer" | "approve", .reasons (codes), .remarks (what to give a reason for), .busy;
 * method choose(n) for the keys 1-9, confirm(); it fires "decide" (detail {outcome, reason_code, note,
 * override_reason}) and "leave".
 */
import { BetpeElement } from "../shared/element.js";
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";

const NOTE_LENGTH = 1000;
/** This code says nothing by itself, so the server wants a note with it. */
const NEEDS_NOTE = "other";

export class BetpeDecisionForm extends BetpeElement {
  static properties = {
    kind: {},
    reasons: { attribute: false },
    remarks: { attribute: false },
    busy: { type: Boolean },
    chosen: { state: true },
    fault: { state: true },
  };

  constructor() {
    super();
    /** @type {"reject" | "refer" | "approve"} */
    this.kind = "reject";
    /** @type {string[]} */
    this.reasons = [];
    /** @type {string[]} */
    this.remarks = [];
    this.busy = false;
    this.chosen = "";
    this.fault = "";
  }

  firstUpdated() {
    /** @type {HTMLElement | null} */ (this.querySelector(this.kind === "approve" ? "textarea" : "h2"))?.focus();
  }

  /** @param {number} place 1-9 */
  async choose(place) {
    const reason = this.reasons[place - 1];
    if (!reason || this.kind === "approve") return;
    this.chosen = reason;
    this.fault = "";
    await this.updateComplete;
    if (reason === NEEDS_NOTE) this.#noteField()?.focus();
  }

  #noteField() {
    return /** @type {HTMLInputElement | HTMLTextAreaElement | null} */ (this.querySelector(".decide__note"));
  }

  confirm() {
    const note = this.#noteField()?.value.trim() ?? "";
    if (this.kind === "approve") {
      if (!note) return this.#refuse(t("decide.write_reason"));
    } else if (!this.chosen) {
      return this.#refuse(t("decide.choose_reason", { count: this.reasons.length }));
    } else if (this.chosen === NEEDS_NOTE && !note) {
      return this.#refuse(t("decide.write_note"));
    }
    const detail =
      this.kind === "approve"
        ? { outcome: this.kind, override_reason: note }
        : { outcome: this.kind, reason_code: this.chosen, note };
    this.dispatchEvent(new CustomEvent("decide", { detail, bubbles: true }));
  }

  /** @param {string} words */
  #refuse(words) {
    this.fault = words;
    if (this.kind === "approve" || this.chosen === NEEDS_NOTE) this.#noteField()?.focus();
  }

  #reasonList() {
    return html`
      <fieldset class="decide__reasons">
        <legend class="hidden-visually">${t("decide.reason")}</legend>
        ${this.reasons.map(
          (reason, index) => html`
            <label class="choice decide__reason">
              <input
                type="radio"
                name="reason"
                value=${reason}
                .checked=${this.chosen === reason}
                data-testid="reason-${index + 1}"
                @change=${() => this.choose(index + 1)}
              />
              <span>${code("decision_reason", reason)}</span><kbd class="key" aria-hidden="true">${index + 1}</kbd>
            </label>
          `,
        )}
      </fieldset>
    `;
  }

  #note() {
    const needed = this.chosen === NEEDS_NOTE;
    return html`
      <label class="decide__label" for="decision-note">
        <b>${t(needed ? "decide.note_needed" : "decide.note")}</b>
        <span class="quiet" id="decision-hint">${t("decide.note.hint")}</span>
      </label>
      <input
        class="input decide__note"
        id="decision-note"
        maxlength=${NOTE_LENGTH}
        autocomplete="off"
        aria-required=${needed ? "true" : "false"}
        aria-describedby="decision-hint"
        data-testid="decision-note"
      />
    `;
  }

  #remarkList() {
    return html`
      <ul class="decide__remarks">
        ${this.remarks.map((remark) => html`<li>${icon("warning")}${remark}</li>`)}
      </ul>
    `;
  }

  #override() {
    return html`
      <label class="decide__label" for="override-reason">
        <b>${t("decide.reason")}</b>
        <span class="quiet" id="decision-hint">${t("decide.approve.hint")}</span>
      </label>
      <textarea
        class="input decide__note"
        id="override-reason"
        rows="2"
        maxlength=${NOTE_LENGTH}
        aria-required="true"
        aria-describedby="decision-hint"
        data-testid="override-reason"
        @keydown=${(/** @type {KeyboardEvent} */ event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          this.confirm();
        }}
      ></textarea>
    `;
  }

  render() {
    const approve = this.kind === "approve";
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.confirm();
    };
    return html`
      <form class="decide decide--${this.kind}" @submit=${submit} data-testid="decision-form">
        <h2 tabindex="-1">${t(`decide.${this.kind}.title`)}</h2>
        ${approve ? this.#remarkList() : this.#reasonList()}
        ${this.fault ? html`<p class="field__error" role="alert" data-testid="decision-fault">${icon("warning")}${this.fault}</p>` : nothing}
        ${approve ? this.#override() : this.#note()}
        <div class="decide__buttons">
          <button class="button ${this.kind === "reject" ? "button--danger" : ""}" data-testid="decision-confirm" ?disabled=${this.busy}>
            ${t(`decide.${this.kind}.confirm`)}<kbd class="key" aria-hidden="true">Enter</kbd>
          </button>
          <button type="button" class="button button--secondary" data-testid="decision-back" @click=${() => this.dispatchEvent(new CustomEvent("leave", { bubbles: true }))}>
            ${t("common.back")}<kbd class="key" aria-hidden="true">Esc</kbd>
          </button>
        </div>
      </form>
    `;
  }
}
customElements.define("betpe-decision-form", BetpeDecisionForm);
