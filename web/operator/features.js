/**
 * <betpe-features>: the security features that the server picked for this call, one after another: what to ask the
 * citizen, what to look for, enlarged stills of the place, and three keys: it is there, it is not, it cannot be seen.
 * Contract: .desk, .features (of the snapshot), .spoken (the citizen's language), .revision; method command(key command)
 * -> whether it meant something here. It fires "leave".
 */
import { BetpeElement } from "../shared/element.js";
import { code, language, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { announce, status } from "../shared/parts.js";
import { label } from "./keys.js";
import { missing, pictureUrl } from "./pictures.js";
import { loadScript, sentence } from "./script.js";

/** @typedef {import("./types.js").Feature} Feature */

const ANSWERS = /** @type {const} */ (["confirmed", "denied", "not_seen"]);
const WORDS = { confirmed: "features.confirm", denied: "features.deny", not_seen: "features.not_seen" };
const KINDS = /** @type {const} */ ({ confirmed: "ok", denied: "bad", not_seen: "warn", "": "off" });
/** Stills shown at once: a variable device is judged by how two looks differ. */
const SHOWN = 2;

export class BetpeFeatures extends BetpeElement {
  static properties = {
    desk: { attribute: false },
    features: { attribute: false },
    spoken: { attribute: false },
    revision: { attribute: false },
    picked: { state: true },
    loaded: { state: true },
  };

  constructor() {
    super();
    /** @type {import("./desk.js").Desk} */
    this.desk = /** @type {any} */ (null);
    /** @type {Feature[]} */
    this.features = [];
    this.spoken = "kk";
    this.revision = 0;
    /** A feature chosen by hand, to answer it anew; null goes on with the first unanswered. @type {string | null} */
    this.picked = null;
    this.loaded = "";
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("spoken")) void loadScript(this.spoken).then(() => (this.loaded = this.spoken));
  }

  firstUpdated() {
    /** @type {HTMLElement | null} */ (this.querySelector("h2"))?.focus();
  }

  /** @returns {Feature | undefined} */
  get current() {
    return this.features.find((one) => one.id === this.picked) ?? this.features.find((one) => !one.answer);
  }

  get busy() {
    return this.desk.busy.has("feature");
  }

  /** @param {string} command @returns {boolean} */
  command(command) {
    const said = ANSWERS.find((answer) => answer === command);
    if (said) void this.#answer(said);
    else if (command === "capture") void this.#capture();
    else return false;
    return true;
  }

  /** @param {typeof ANSWERS[number]} answer */
  async #answer(answer) {
    const { current } = this;
    if (!current || this.busy) return;
    if (!(await this.desk.run("feature", "POST", "case/features/answer", { feature: current.id, answer }))) return;
    this.picked = null;
    announce(`${code("feature_kind", current.kind)}: ${code("feature_answer", answer)}`);
  }

  async #capture() {
    const { current } = this;
    if (!current || this.busy) return;
    if (await this.desk.run("feature", "POST", "case/features/still", { feature: current.id })) announce(t("stills.taken"));
  }

  /** @param {Feature} feature */
  #stills({ stills, kind }) {
    if (stills.length === 0) return html`<p class="features__none quiet">${icon("camera")}${t("features.stills_none")}</p>`;
    return html`
      <div class="features__stills">
        ${stills.slice(-SHOWN).map(
          (sha256, index) => html`
            <div class="features__still" data-picture data-missing=${t("picture.missing")}>
              <img src=${pictureUrl(sha256)} alt="${code("feature_kind", kind)}, ${t("picture.feature", { number: Math.max(0, stills.length - SHOWN) + index + 1 })}" @error=${missing} />
            </div>
          `,
        )}
      </div>
    `;
  }

  /** @param {Feature} feature */
  #ask({ ask }) {
    const own = t(`features.ask.${ask}`);
    const spoken = sentence(this.spoken, `features.ask.${ask}`) || own;
    return html`
      <p class="steps__say" lang=${this.spoken}>
        <span class="steps__say-label" lang=${language()}>${t("steps.say")}</span>${spoken}
      </p>
      ${this.spoken === language() ? nothing : html`<p class="steps__translated quiet small">${own}</p>`}
    `;
  }

  #tabs() {
    return html`
      <div class="features__head">
        <ul class="features__tabs" data-testid="features-list">
          ${this.features.map(
            (one) => html`
              <li>
                <button
                  type="button"
                  class="features__tab ${one === this.current ? "features__tab--here" : ""}"
                  aria-current=${one === this.current ? "true" : nothing}
                  data-answer=${one.answer}
                  @click=${() => (this.picked = one.id)}
                >
                  <span>${code("feature_kind", one.kind)}</span>
                  ${one.answer
                    ? status(KINDS[one.answer], code("feature_answer", one.answer))
                    : html`<span class="hidden-visually">${code("feature_answer", "none")}</span>`}
                </button>
              </li>
            `,
          )}
        </ul>
        <button type="button" class="button button--plain" data-testid="features-leave" @click=${() => this.dispatchEvent(new CustomEvent("leave", { bubbles: true }))}>
          ${t("common.back")}<kbd class="key" aria-hidden="true">Esc</kbd>
        </button>
      </div>
    `;
  }

  /** @param {Feature} feature */
  #one(feature) {
    const side = feature.side === "front" ? t("features.front") : t("features.back");
    return html`
      <div class="features__body">
        <div class="features__words">
          ${this.#ask(feature)}
          <p class="features__look"><b>${t("features.look_for")} (${side}):</b> ${feature.look_for[language()] ?? feature.look_for.en}</p>
        </div>
        ${this.#stills(feature)}
      </div>
      <div class="decide__buttons">
        ${ANSWERS.map(
          (answer) => html`
            <button
              type="button"
              class="button ${answer === "confirmed" ? "" : "button--secondary"}"
              aria-keyshortcuts=${label(answer)}
              data-testid="feature-${answer}"
              ?disabled=${this.busy}
              @click=${() => void this.#answer(answer)}
            >
              ${t(WORDS[answer])}<kbd class="key" aria-hidden="true">${label(answer)}</kbd>
            </button>
          `,
        )}
        <button type="button" class="button button--plain" aria-keyshortcuts=${label("capture")} data-testid="feature-still" ?disabled=${this.busy} @click=${() => void this.#capture()}>
          ${t("features.still")}<kbd class="key" aria-hidden="true">${label("capture")}</kbd>
        </button>
      </div>
    `;
  }

  #over() {
    const denied = this.features.some((one) => one.answer === "denied");
    return denied ? html`<p>${status("bad", t("features.denied_hint"))}</p>` : html`<p>${status("ok", t("features.done"))}</p>`;
  }

  render() {
    const { current } = this;
    const number = current ? this.features.indexOf(current) + 1 : this.features.length;
    return html`
      <div class="features" data-testid="features-panel" data-current=${current?.id ?? ""}>
        <h2 class="hidden-visually" tabindex="-1">${t("features.title", { number, of: this.features.length })}</h2>
        ${this.#tabs()} ${current ? this.#one(current) : this.#over()}
      </div>
    `;
  }
}
customElements.define("betpe-features", BetpeFeatures);
