/**
 * <betpe-evidence>: everything the decision rests on, beside the video. Contract: .desk, .case, .revision; methods
 * toggleWipe(), toggleHelp(), back() -> whether something was closed. A picture opened large, and the list of keys,
 * cover this column only, never the video.
 */
import { BetpeElement } from "../shared/element.js";
import { code, date, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { card, earlierDecisions, stills } from "./card-part.js";
import { checks } from "./checks.js";
import "./comparison.js";
import { keyList } from "./key-list.js";
import { missing, pictureUrl } from "./pictures.js";

const ZOOMS = [1, 2, 4];

export class BetpeEvidence extends BetpeElement {
  static properties = {
    desk: { attribute: false },
    case: { attribute: false },
    revision: { attribute: false },
    picture: { state: true },
    zoom: { state: true },
    helping: { state: true },
  };

  constructor() {
    super();
    /** @type {import("./desk.js").Desk} */
    this.desk = /** @type {any} */ (null);
    /** @type {import("./types.js").Case} */
    this.case = /** @type {any} */ (null);
    this.revision = 0;
    /** @type {import("./pictures.js").Shown | null} */
    this.picture = null;
    this.zoom = 0;
    this.helping = false;
    /** @type {Element | null} */
    this.cameFrom = null;
    this.open = (/** @type {import("./pictures.js").Shown} */ picture) => {
      this.zoom = 0;
      this.helping = false;
      this.picture = picture;
      void this.#focusCover();
    };
  }

  async #focusCover() {
    this.cameFrom = document.activeElement;
    await this.updateComplete;
    /** @type {HTMLElement | null} */ (this.querySelector(".cover h2"))?.focus();
  }

  toggleWipe() {
    /** @type {import("./comparison.js").BetpeComparison | null} */ (this.querySelector("betpe-comparison"))?.toggleWipe();
  }

  toggleHelp() {
    if (this.helping) return this.back();
    this.picture = null;
    this.helping = true;
    return void this.#focusCover();
  }

  back() {
    if (!this.picture && !this.helping) return false;
    this.picture = null;
    this.helping = false;
    if (this.cameFrom instanceof HTMLElement && this.cameFrom.isConnected) this.cameFrom.focus();
    return true;
  }

  /** @param {string} title @param {unknown} body @param {unknown} [tools] */
  #cover(title, body, tools = nothing) {
    return html`
      <section class="cover" aria-labelledby="cover-title" data-testid="cover">
        <div class="cover__head">
          <h2 id="cover-title" tabindex="-1">${title}</h2>
          ${tools}
          <button type="button" class="button button--secondary" aria-keyshortcuts="Escape" data-testid="cover-close" @click=${() => this.back()}>
            ${t("common.close")}<kbd class="key" aria-hidden="true">Esc</kbd>
          </button>
        </div>
        ${body}
      </section>
    `;
  }

  /** @param {import("./pictures.js").Shown} picture */
  #large({ sha256, words }) {
    const zoom = ZOOMS[this.zoom];
    const tools = html`
      <button type="button" class="small-button" aria-label=${t("match.zoom_out")} ?disabled=${this.zoom === 0} @click=${() => (this.zoom -= 1)}>−</button>
      <span class="numbers" aria-live="polite">${t("match.zoom", { factor: zoom })}</span>
      <button type="button" class="small-button" aria-label=${t("match.zoom_in")} ?disabled=${this.zoom === ZOOMS.length - 1} @click=${() => (this.zoom += 1)}>+</button>
    `;
    const body = html`
      <div class="cover__picture cover__picture--${zoom}" tabindex="0" role="group" aria-label=${words} data-picture data-missing=${t("picture.missing")}>
        <img src=${pictureUrl(sha256)} alt=${words} @error=${missing} />
      </div>
    `;
    return this.#cover(words, body, tools);
  }

  #person() {
    const { attributes, language, attempt, purpose, second_person: second } = this.case;
    const name = ["surname", "given_names", "patronymic"].map((part) => attributes[part]).filter(Boolean).join(" ");
    return html`
      <section class="person" aria-label=${t("case.person")}>
        <p class="person__name" data-testid="person-name">${name || t("case.name_unread")}</p>
        <p class="person__facts numbers">
          ${attributes.iin ? html`<span><abbr title=${t("attribute.iin")}>${t("case.iin")}</abbr> ${attributes.iin}</span>` : nothing}
          ${attributes.document_number ? html`<span>${t("case.document")} ${attributes.document_number}</span>` : nothing}
          ${attributes.expiry_date ? html`<span>${t("case.until", { date: date(attributes.expiry_date) })}</span>` : nothing}
        </p>
        <p class="person__facts quiet">
          <span>${code("case.purpose", purpose)}</span>
          <span>${t("case.speaks", { language: code("language", language) })}</span>
          <span>${t("case.attempt", { number: attempt })}</span>
          ${second ? html`<b class="person__second">${icon("warning")}${t("case.second_person")}</b>` : nothing}
        </p>
      </section>
    `;
  }

  render() {
    return html`
      <div class="evidence__scroll" ?inert=${this.picture !== null || this.helping}>
        ${this.#person()}
        <betpe-comparison .case=${this.case} ?busy=${this.desk.busy.has("compare")}></betpe-comparison>
        ${checks(this.case, this.desk, this.open)} ${card(this.case, this.open)} ${stills(this.case, this.open)}
        ${earlierDecisions(this.case)}
      </div>
      ${this.picture ? this.#large(this.picture) : nothing}
      ${this.helping ? this.#cover(t("keys.title"), keyList()) : nothing}
    `;
  }
}
customElements.define("betpe-evidence", BetpeEvidence);
