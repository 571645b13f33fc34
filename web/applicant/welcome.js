/** <screen-welcome>: what will happen, the warning, what for, and consent to a versioned text. */
import { asApiError } from "../shared/api.js";
import { CameraFault, requireMedia } from "../shared/camera.js";
import { language, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { errorSummary, notice } from "../shared/parts.js";
import { Screen } from "./screen.js";

const DAYS_A_YEAR = 365;

class ScreenWelcome extends Screen {
  static properties = {
    purpose: { state: true },
    error: { state: true },
    busy: { state: true },
  };

  constructor() {
    super();
    this.purpose = "";
    /** @type {import("./screen.js").Fault | null} */
    this.error = null;
    this.busy = false;
  }

  /** @returns {string} why a call can never be made here, or nothing */
  #hopeless() {
    try {
      requireMedia();
      return "";
    } catch (error) {
      if (error instanceof CameraFault) return error.words();
      throw error;
    }
  }

  async #begin() {
    this.busy = true;
    this.error = null;
    try {
      await this.journey.begin({
        language: language(),
        purpose: this.purpose || this.journey.service?.purposes[0] || "",
        consentVersion: t("consent.version"), // of the text that was shown, not of the one the server has
      });
    } catch (error) {
      this.error = asApiError(error);
    }
    this.busy = false;
  }

  render() {
    const { service } = this.journey;
    const purposes = service?.purposes ?? [];
    const years = Math.round((service?.retention_days ?? 0) / DAYS_A_YEAR);
    const hopeless = this.#hopeless();
    return html`
      <div class="stack">
        ${errorSummary(this.error ? [{ text: this.error.words() }] : [])}
        <h1 tabindex="-1">${t("welcome.title")}</h1>
        <p>${t("welcome.lead")}</p>
        <ol class="steps">
          <li>${icon("card")}<span>${t("welcome.card")}</span></li>
          <li>${icon("person")}<span>${t("welcome.talk")}</span></li>
          <li>${icon("pen")}<span>${t("welcome.sign")}</span></li>
        </ol>
        ${notice("warn", html`<p>${t("fraud.words")}</p>`, { title: t("fraud.title"), testid: "fraud-warning" })}
        <section class="stack">
          <h2>${t("welcome.need.title")}</h2>
          <ul>
            <li>${t("welcome.need.card")}</li>
            <li>${t("welcome.need.light")}</li>
            <li>${t("welcome.need.alone")}</li>
          </ul>
        </section>
        <fieldset class="field stack stack--close">
          <legend>${t("welcome.purpose")}</legend>
          ${purposes.map(
            (each, index) => html`
              <label class="choice">
                <input
                  type="radio"
                  name="purpose"
                  value=${each}
                  .checked=${this.purpose ? this.purpose === each : index === 0}
                  data-testid="purpose-${each}"
                  @change=${() => (this.purpose = each)}
                />
                <span>${t(`purpose.${each}`)}</span>
              </label>
            `,
          )}
        </fieldset>
        <section class="stack">
          <h2>${t("consent.title")}</h2>
          <p>${t("consent.short", { count: years })}</p>
          <details class="details" data-testid="consent-text">
            <summary>${t("consent.open")}</summary>
            <div class="details__body stack">
              ${["collected", "purpose", "kept", "who", "rights"].map(
                (part) => html`
                  <h3>${t(`consent.${part}.title`)}</h3>
                  <p>${t(`consent.${part}`, { count: years })}</p>
                `,
              )}
              <p class="quiet small">${t("consent.version_line", { version: t("consent.version") })}</p>
            </div>
          </details>
        </section>
        ${hopeless ? notice("bad", hopeless, { testid: "device-fault" }) : nothing}
        <div class="action">
          <button
            type="button"
            class="button button--main button--wide"
            data-testid="begin"
            ?disabled=${this.busy || Boolean(hopeless)}
            @click=${this.#begin}
          >
            ${this.busy ? t("common.loading") : t("welcome.begin")}
          </button>
        </div>
      </div>
    `;
  }
}
customElements.define("screen-welcome", ScreenWelcome);
