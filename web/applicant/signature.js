/** <screen-signature>: password, keys, the certificate in words, and the file in the citizen's hands. */
import { ApiError } from "../shared/api.js";
import { code, dateTime, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { errorSummary, focusErrors, notice, spinner, status } from "../shared/parts.js";
import { MIN_PASSWORD_SCORE, PkiError, passwordStrength } from "../shared/pki.js";
import { certificateWords, chainLink, keepWords, makingWords } from "./certificate.js";
import { Issuance } from "./issuance.js";
import "./revoke.js";
import { Screen } from "./screen.js";

const GREATEST_SCORE = 4;

/** @typedef {import("./issuance.js").Stage | "looking" | "making" | "made" | "revoked" | "unreachable"} Phase */

class ScreenSignature extends Screen {
  static properties = {
    phase: { state: true },
    password: { state: true },
    visible: { state: true },
    error: { state: true },
    step: { state: true },
    fileTaken: { state: true },
    busy: { state: true },
  };

  constructor() {
    super();
    /** @type {Phase} */
    this.phase = "looking";
    this.password = "";
    this.visible = false;
    /** @type {import("./screen.js").Fault | null} */
    this.error = null;
    this.step = "";
    this.fileTaken = false;
    this.busy = false;
    this.resumable = true;
    this.restartable = false;
    /** @type {import("./issuance.js").IssuanceView | null} */
    this.view = null;
    /** @type {{file: Uint8Array<ArrayBuffer>, fileName: string} | null} */
    this.made = null;
    /** @type {Issuance | null} */
    this.issuance = null;
    this.keepOpen = (/** @type {BeforeUnloadEvent} */ event) => {
      if (this.phase === "making" || (this.phase === "made" && !this.fileTaken)) event.preventDefault();
    };
  }

  connectedCallback() {
    super.connectedCallback();
    addEventListener("beforeunload", this.keepOpen);
    this.issuance = new Issuance({
      sessionId: this.journey.snapshot?.id ?? "",
      onProgress: ({ step, resumable }) => {
        this.step = step;
        this.resumable = resumable;
      },
    });
    void this.#look();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    removeEventListener("beforeunload", this.keepOpen);
  }

  /** @param {unknown} error */
  #fail(error) {
    if (!(error instanceof PkiError) && !(error instanceof ApiError)) throw error;
    const { code: name } = error;
    this.error = { words: () => code("error", name) };
  }

  async #look() {
    this.phase = "looking";
    this.error = null;
    try {
      const found = await /** @type {Issuance} */ (this.issuance).look();
      this.view = found.view;
      this.restartable = found.restartable;
      this.phase = found.view.revoked_at ? "revoked" : found.stage;
      if (this.phase === "saved" || this.phase === "revoked") this.journey.showCertificate();
    } catch (error) {
      this.phase = "unreachable";
      this.#fail(error);
    }
  }

  get known() {
    return Object.values(this.view?.subject_text ?? {}).filter(Boolean);
  }

  get strength() {
    return passwordStrength(this.password, this.known);
  }

  /** @param {Event} event */
  async #make(event) {
    event.preventDefault();
    const choosing = this.phase === "choose_password";
    this.error = null;
    if (choosing && this.strength.score < MIN_PASSWORD_SCORE) {
      const fault = this.password ? this.strength.code : "missing";
      this.error = { words: () => t(`password.${fault}`) };
      return this.#focusError();
    }
    const before = this.phase;
    this.phase = "making";
    try {
      const { file, fileName, view } = await /** @type {Issuance} */ (this.issuance).run(this.password, {
        known: this.known,
      });
      this.made = { file: /** @type {Uint8Array<ArrayBuffer>} */ (file), fileName };
      this.view = view;
      this.password = "";
      this.phase = "made";
      this.journey.showCertificate();
      await this.updateComplete;
      /** @type {HTMLElement | null} */ (this.querySelector("h1"))?.focus();
    } catch (error) {
      await this.#afterFailure(before);
      this.#fail(error);
      await this.#focusError();
    }
  }

  /** What to ask next may have changed: keys that now wait here have a password. @param {Phase} before */
  async #afterFailure(before) {
    try {
      const found = await /** @type {Issuance} */ (this.issuance).look();
      this.restartable = found.restartable;
      this.phase = found.stage;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.phase = before;
    }
  }

  async #focusError() {
    await this.updateComplete;
    focusErrors(this);
  }

  async #startOver() {
    this.password = "";
    /** @type {unknown} */
    let failure;
    try {
      await /** @type {Issuance} */ (this.issuance).startOver();
    } catch (error) {
      failure = error;
    }
    await this.#look();
    if (failure) this.#fail(failure);
  }

  #saveFile() {
    if (!this.made) return;
    const address = URL.createObjectURL(new Blob([this.made.file], { type: "application/x-pkcs12" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = this.made.fileName;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000); // phones take their time to begin
    this.fileTaken = true;
  }

  async #finish() {
    this.busy = true;
    this.error = null;
    try {
      await /** @type {Issuance} */ (this.issuance).confirmSaved();
      this.phase = "saved";
      this.made = null;
    } catch (error) {
      this.#fail(error);
    }
    this.busy = false;
  }

  #approved() {
    return html`<div data-testid="decision" data-outcome="approved">${notice("ok", t("signature.approved"))}</div>`;
  }

  #passwordForm() {
    const choosing = this.phase === "choose_password";
    const { score, code: strength } = this.strength;
    return html`
      <form class="stack" novalidate @submit=${this.#make}>
        ${errorSummary(this.error ? [{ text: this.error.words(), href: "#password" }] : [])}
        <h1 tabindex="-1">${t(choosing ? "signature.title" : "signature.again.title")}</h1>
        ${this.#approved()}
        <p>${t(choosing ? "signature.lead" : "signature.again.lead")}</p>
        <div class="field ${this.error ? "field--wrong" : ""}">
          <label for="password">${t("signature.password")}</label>
          <span class="hint" id="password-hint">${t(choosing ? "signature.hint" : "signature.again.hint")}</span>
          <div class="password">
            <input
              class="input"
              id="password"
              data-testid="password"
              type=${this.visible ? "text" : "password"}
              autocomplete=${choosing ? "new-password" : "current-password"}
              autocapitalize="none"
              spellcheck="false"
              aria-describedby="password-hint password-strength"
              aria-invalid=${this.error ? "true" : "false"}
              .value=${this.password}
              @input=${(/** @type {Event} */ event) =>
                {
                this.password = /** @type {HTMLInputElement} */ (event.target).value;
                this.error = null;
              }}
            />
            <button
              type="button"
              class="button button--secondary"
              data-testid="password-show"
              aria-pressed=${String(this.visible)}
              @click=${() => (this.visible = !this.visible)}
            >
              ${icon(this.visible ? "eye_off" : "eye")}${t(this.visible ? "signature.hide" : "signature.show")}
            </button>
          </div>
          ${choosing
            ? html`
                <div class="strength strength--${score}" aria-hidden="true">
                  ${Array.from({ length: GREATEST_SCORE }, (_, i) => html`<span class=${i < score ? "on" : ""}></span>`)}
                </div>
                <p id="password-strength" role="status" data-testid="password-strength" data-strength=${strength}>
                  ${this.password
                    ? status(score >= 3 ? "ok" : score >= MIN_PASSWORD_SCORE ? "warn" : "bad", t(`password.${strength}`))
                    : nothing}
                </p>
              `
            : nothing}
        </div>
        ${choosing ? notice("warn", t("signature.cannot_recover"), { title: t("signature.remember") }) : nothing}
        <div class="action">
          <button class="button button--main button--wide" data-testid="make-signature">
            ${t(choosing ? "signature.make" : "signature.again.make")}
          </button>
          ${!choosing && this.restartable
            ? html`<button type="button" class="button button--plain button--wide" data-testid="start-over" @click=${this.#startOver}>
                ${t("signature.start_over")}
              </button>`
            : nothing}
        </div>
      </form>
    `;
  }

  #made() {
    return html`
      <div class="stack">
        ${errorSummary(this.error ? [{ text: this.error.words() }] : [])}
        <h1 tabindex="-1">${t("certificate.title")}</h1>
        <p>${t("certificate.lead")}</p>
        <div class="action">
          <button
            type="button"
            class="button button--main button--wide ${this.fileTaken ? "button--secondary" : ""}"
            data-testid="save-p12"
            @click=${this.#saveFile}
          >
            ${icon("download")}${t(this.fileTaken ? "certificate.save_again" : "certificate.save")}
          </button>
          ${this.fileTaken
            ? html`
                <p role="status">${t("certificate.check", { name: this.made?.fileName ?? "" })}</p>
                <button
                  type="button"
                  class="button button--main button--wide"
                  data-testid="confirm-saved"
                  ?disabled=${this.busy}
                  @click=${this.#finish}
                >
                  ${icon("tick")}${t("certificate.saved")}
                </button>
              `
            : nothing}
          ${chainLink()}
          <p class="quiet small">${t("certificate.chain_hint")}</p>
        </div>
        <h2>${t("certificate.yours")}</h2>
        ${certificateWords(this.view)} ${keepWords()}
      </div>
    `;
  }

  #saved() {
    return html`
      <div class="stack" data-testid="finished">
        <h1 tabindex="-1">${t("saved.title")}</h1>
        ${notice("ok", t("saved.lead"))} ${certificateWords(this.view)} ${keepWords()}
        <div class="action">
          ${chainLink()}
          <applicant-revoke @revoked=${this.#look}></applicant-revoke>
        </div>
      </div>
    `;
  }

  #revoked() {
    const at = this.view?.revoked_at ?? "";
    return html`
      <div class="stack" data-testid="revoked">
        <h1 tabindex="-1">${t("revoked.title")}</h1>
        ${notice("info", t("revoked.words", { time: at ? dateTime(at) : "" }))}
        <p>${t("revoked.next")}</p>
        <div class="action">${this.#beginAgain()}</div>
      </div>
    `;
  }

  #beginAgain() {
    return html`<button
      type="button"
      class="button button--main button--wide"
      data-testid="begin-again"
      @click=${() => this.journey.beginAgain()}
    >
      ${t("end.again")}
    </button>`;
  }

  #lost() {
    return html`
      <div class="stack">
        <h1 tabindex="-1">${t("lost.title")}</h1>
        ${notice("warn", t("error.keys_lost"))}
        <p>${t("lost.lead")}</p>
        <div class="action">
          ${this.#beginAgain()}
          <applicant-revoke reason="keys_lost" @revoked=${this.#look}></applicant-revoke>
        </div>
      </div>
    `;
  }

  render() {
    switch (this.phase) {
      case "choose_password":
      case "enter_password":
        return this.#passwordForm();
      case "making":
        return makingWords(this.step, this.resumable);
      case "made":
        return this.#made();
      case "saved":
        return this.#saved();
      case "revoked":
        return this.#revoked();
      case "keys_lost":
        return this.#lost();
      case "looking":
        return html`<h1 tabindex="-1" class="hidden-visually">${t("signature.title")}</h1>
          ${spinner(t("common.loading"))}`;
      default:
        return html`
          <div class="stack">
            <h1 tabindex="-1">${t("failure.title")}</h1>
            ${notice("bad", this.error?.words() ?? t("signature.unavailable"))}
            <div class="action">
              <button type="button" class="button button--main button--wide" data-testid="try-again" @click=${this.#look}>
                ${t("common.try_again")}
              </button>
            </div>
          </div>
        `;
    }
  }
}
customElements.define("screen-signature", ScreenSignature);
