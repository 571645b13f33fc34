/** <screen-check>: what was read beside its picture; names can be put right, numbers and dates only read again. */
import { ApiError } from "../shared/api.js";
import { date, dateTime, has, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { errorSummary, focusErrors, spinner } from "../shared/parts.js";
import { Screen } from "./screen.js";

const NAMES = /** @type {const} */ (["surname", "given_names", "patronymic"]);
const FIXED = /** @type {const} */ (["iin", "document_number", "birth_date", "sex", "expiry_date"]);
const DATES = new Set(["birth_date", "expiry_date"]);
const NAME_LENGTH = 100;
/** What the server takes as a name (server/consultation/applying.py says the same). */
const NAME = /^[\p{L} .'ʼ’-]*$/u;

class ScreenCheck extends Screen {
  static properties = {
    typing: { state: true },
    corrections: { state: true },
    errors: { state: true },
    busy: { state: true },
  };

  constructor() {
    super();
    /** @type {Set<string>} */
    this.typing = new Set();
    /** @type {Record<string, string>} */
    this.corrections = {};
    /** @type {(import("./screen.js").Fault & {href?: string})[]} */
    this.errors = [];
    this.busy = false;
  }

  /** The front says the names as people write them, the back's machine readable zone what check digits protect. */
  get read() {
    const { front, back } = this.journey.snapshot?.readings ?? { front: null, back: null };
    return { ...back?.attributes, ...front?.attributes };
  }

  /** @param {string} name */
  #value(name) {
    const value = this.read[name];
    if (!value) return "";
    if (DATES.has(name)) return date(value);
    return name === "sex" && has(`sex.${value}`) ? t(`sex.${value}`) : value;
  }

  /** @param {string} name */
  async #notRight(name) {
    this.typing = new Set([...this.typing, name]);
    await this.updateComplete;
    /** @type {HTMLInputElement} */ (this.querySelector(`#check-${name}`)).select();
  }

  /** @param {string} name @param {Event} event */
  #typed(name, event) {
    const { value } = /** @type {HTMLInputElement} */ (event.target);
    this.corrections = { ...this.corrections, [name]: value };
  }

  #wrong() {
    return Object.entries(this.corrections)
      .filter(([name, value]) => !NAME.test(value) || (name !== "patronymic" && !value.trim()))
      .map(([name]) => ({
        words: () => t("check.name_wrong", { name: t(`attribute.${name}`) }),
        href: `#check-${name}`,
      }));
  }

  /** @param {Event} event */
  async #confirm(event) {
    event.preventDefault();
    this.errors = this.#wrong();
    if (this.errors.length === 0) await this.#send();
    if (this.errors.length > 0) {
      await this.updateComplete;
      focusErrors(this);
    }
  }

  async #send() {
    this.busy = true;
    const changed = Object.entries(this.corrections).filter(([name, value]) => value.trim() !== (this.read[name] ?? ""));
    try {
      await this.journey.confirm(Object.fromEntries(changed.map(([name, value]) => [name, value.trim()])));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const until = error.details.until;
      this.errors = [
        {
          words: () =>
            error.code === "retry_later" && typeof until === "string"
              ? t("check.retry_later", { time: dateTime(until) })
              : error.words(),
        },
      ];
    }
    this.busy = false;
  }

  /** @param {typeof NAMES[number]} name */
  #nameRow(name) {
    const read = this.read[name] ?? "";
    if (!this.typing.has(name)) {
      return html`
        <div class="row">
          <dt>${t(`attribute.${name}`)}</dt>
          <dd data-testid="read-${name}">${read || html`<span class="quiet">${t("check.not_read")}</span>`}</dd>
          <dd class="row__action">
            <button type="button" class="button button--plain" data-testid="correct-${name}" @click=${() => this.#notRight(name)}>
              ${t(read ? "check.not_right" : "check.type")}<span class="hidden-visually">: ${t(`attribute.${name}`)}</span>
            </button>
          </dd>
        </div>
      `;
    }
    const wrong = this.errors.some((error) => error.href === `#check-${name}`);
    return html`
      <div class="row row--typing field ${wrong ? "field--wrong" : ""}">
        <dt><label for="check-${name}">${t(`attribute.${name}`)}</label></dt>
        <dd>
          <span class="hint" id="hint-${name}">${t(name === "patronymic" ? "check.hint.patronymic" : "check.hint")}</span>
          ${wrong
            ? html`<span class="field__error" id="error-${name}">${icon("warning")}<span>${t("check.letters")}</span></span>`
            : nothing}
          <input
            class="input"
            id="check-${name}"
            autocomplete="off"
            autocapitalize="characters"
            spellcheck="false"
            maxlength=${NAME_LENGTH}
            aria-describedby="hint-${name} error-${name}"
            aria-invalid=${wrong ? "true" : "false"}
            .value=${this.corrections[name] ?? read}
            @input=${(/** @type {Event} */ event) => this.#typed(name, event)}
          />
        </dd>
      </div>
    `;
  }

  /** @param {string} name */
  #fixedRow(name) {
    const value = this.#value(name);
    return html`
      <div class="row">
        <dt>${t(`attribute.${name}`)}</dt>
        <dd class="numbers" data-testid="read-${name}">
          ${value || html`<span class="quiet">${t("check.not_read")}</span>`}
        </dd>
      </div>
    `;
  }

  /** @param {"front" | "back"} side */
  #picture(side) {
    return html`
      <figure class="side">
        <img src=${this.journey.pictureAddress(side)} alt=${t(`card.taken.${side}`)} />
        <figcaption>
          <span class="quiet small">${t(`side.${side}`)}</span>
          <button
            type="button"
            class="button button--plain"
            data-testid="retake-${side}"
            @click=${() => this.journey.go(`card-${side}`)}
          >
            ${t("card.retake")}<span class="hidden-visually">: ${t(`side.${side}`)}</span>
          </button>
        </figcaption>
      </figure>
    `;
  }

  render() {
    return html`
      <form class="stack" novalidate @submit=${this.#confirm}>
        ${errorSummary(this.errors.map(({ words, href }) => ({ text: words(), href })))}
        <h1 tabindex="-1">${t("check.title")}</h1>
        <p>${t("check.lead")}</p>
        <div class="sides">${this.#picture("front")} ${this.#picture("back")}</div>
        <dl class="rows">${NAMES.map((name) => this.#nameRow(name))} ${FIXED.map((name) => this.#fixedRow(name))}</dl>
        <p class="quiet small">${t("check.numbers")}</p>
        <div class="action">
          ${this.busy ? spinner(t("check.sending")) : nothing}
          <button class="button button--main button--wide" data-testid="confirm-evidence" ?disabled=${this.busy}>
            ${t("check.confirm")}
          </button>
        </div>
      </form>
    `;
  }
}
customElements.define("screen-check", ScreenCheck);
