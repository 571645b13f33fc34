/**
 * <betpe-interpreter>: asking an interpreter into the call, and what became of it. It stands in the place of the steps.
 * Contract: .third (of the case, or null), .languages (codes), .link ("" until one was made), .busy; it fires "invite"
 * (detail {name, language}), "end" and "leave".
 */
import { BetpeElement } from "../shared/element.js";
import { isAdmitted } from "../shared/guest.js";
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice, status } from "../shared/parts.js";

const NAME_LENGTH = 80;

class BetpeInterpreter extends BetpeElement {
  static properties = {
    third: { attribute: false },
    languages: { attribute: false },
    link: {},
    busy: { type: Boolean },
    copied: { state: true },
  };

  constructor() {
    super();
    /** @type {import("../shared/guest.js").Third | null} */
    this.third = null;
    /** @type {string[]} */
    this.languages = [];
    this.link = "";
    this.busy = false;
    this.copied = false;
  }

  firstUpdated() {
    /** @type {HTMLElement | null} */ (this.querySelector("h2"))?.focus();
  }

  /** @param {SubmitEvent} event */
  #invite(event) {
    event.preventDefault();
    const fields = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const detail = { name: String(fields.get("name")).trim(), language: String(fields.get("language")) };
    if (!detail.name) return /** @type {HTMLElement | null} */ (this.querySelector("input"))?.focus();
    this.copied = false;
    this.dispatchEvent(new CustomEvent("invite", { detail }));
  }

  async #copy() {
    const field = /** @type {HTMLInputElement} */ (this.querySelector("[data-testid=third-link]"));
    field.select();
    try {
      await navigator.clipboard.writeText(this.link);
      this.copied = true;
    } catch {
      this.copied = false; // not allowed here: it is selected, and Ctrl-C copies it
    }
  }

  #form() {
    return html`
      <form class="third__form" @submit=${this.#invite}>
        <label class="field">
          <span class="label">${t("third.name_label")}</span>
          <input class="input" name="name" maxlength=${NAME_LENGTH} required autocomplete="off" data-testid="third-name" />
        </label>
        <label class="field">
          <span class="label">${t("third.language_label")}</span>
          <select class="input" name="language" data-testid="third-language">
            ${this.languages.map((language) => html`<option value=${language}>${code("interpreted", language)}</option>`)}
          </select>
        </label>
        <button class="button" data-testid="third-invite" ?disabled=${this.busy}>${t("third.invite")}</button>
      </form>
    `;
  }

  /** @param {import("../shared/guest.js").Third} third */
  #state(third) {
    return html`
      <p><b>${third.name}</b>, ${code("interpreted", third.language)}</p>
      <ul class="third__states">
        <li>${third.agreed ? status("ok", t("third.citizen_agreed")) : status("wait", t("third.citizen_asked"))}</li>
        <li>${third.bound ? status("ok", t("third.bound")) : status("wait", t("third.not_bound"))}</li>
        ${isAdmitted(third)
          ? html`<li>${third.connected ? status("ok", t("third.here")) : status("warn", t("third.absent"))}</li>`
          : nothing}
      </ul>
      ${third.connected ? html`<p class="quiet small">${t("third.check")}</p>` : nothing}
      ${this.link && !third.bound
        ? html`
            <p>${t("third.link")}</p>
            <div class="third__link">
              <input class="input" readonly aria-label=${t("third.link")} data-testid="third-link" .value=${this.link} />
              <button type="button" class="button" data-testid="third-copy" @click=${this.#copy}>
                ${this.copied ? t("third.copied") : t("third.copy")}
              </button>
            </div>
          `
        : nothing}
      <button
        type="button"
        class="button button--danger"
        data-testid="third-end"
        ?disabled=${this.busy}
        @click=${() => this.dispatchEvent(new Event("end"))}
      >
        ${t("third.end")}
      </button>
    `;
  }

  render() {
    const { third } = this;
    const living = third && !third.ended;
    return html`
      <section class="third stack" data-testid="third-panel">
        <div class="third__head">
          <h2 class="part-title" tabindex="-1">${t(living ? "third.button" : "third.title")}</h2>
          <button type="button" class="small-button" data-testid="third-back" @click=${() => this.dispatchEvent(new Event("leave"))}>
            ${icon("back")}${t("third.back")}
          </button>
        </div>
        ${third?.ended
          ? html`<div role="status">${notice(third.ended === "applicant" ? "warn" : "info", code("third.ended", third.ended), { testid: "third-ended" })}</div>`
          : nothing}
        ${living ? this.#state(third) : html`<p>${t("third.text")}</p>${this.#form()}`}
      </section>
    `;
  }
}
customElements.define("betpe-interpreter", BetpeInterpreter);
