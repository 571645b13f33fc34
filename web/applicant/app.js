/** <betpe-applicant>: what stands round every screen (language, progress, help, bars), and which screen it is. */
import { asApiError } from "../shared/api.js";
import { keepAwake } from "../shared/awake.js";
import { BetpeElement } from "../shared/element.js";
import { code, start, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import "../shared/languages.js";
import { html, keyed, nothing } from "../shared/lit.js";
import { announce, notice } from "../shared/parts.js";
import "./card.js";
import "./check.js";
import "./device.js";
import "./ends.js";
import "./help.js";
import { Journey } from "./journey.js";
import "./signature.js";
import "./specimen.js";
import "./talk.js";
import "./waiting.js";
import "./welcome.js";

/** Screen -> which of the six steps it belongs to. @type {Record<string, number>} */
const STEP_OF = {
  welcome: 1,
  device: 2,
  "card-front": 3,
  "card-back": 3,
  specimen: 3,
  check: 3,
  waiting: 4,
  call: 5,
  deciding: 5,
  "second-person": 5,
  signature: 6,
  certificate: 6,
};
const STEPS = 6;
const DARK = new Set(["call", "deciding"]);
/** Where the phone's Back key must not throw the place away without a question. */
const GUARDED = new Set(["waiting", "call", "deciding", "second-person"]);
const AWAKE = new Set(["waiting", "call", "deciding", "second-person"]);
/** Screens that one element shows from the first to the last of them: it must not begin anew between them. */
/** @type {Record<string, string>} */
const ONE_ELEMENT = { deciding: "call", certificate: "signature" };
/** How long a remark about a refused message stays. */
const REMARK_MS = 6_000;

class BetpeApplicant extends BetpeElement {
  static properties = { ready: { state: true }, remark: { state: true }, leaving: { state: true } };

  constructor() {
    super();
    this.ready = false;
    /** @type {import("./screen.js").Fault | null} */
    this.remark = null;
    this.leaving = false;
    this.journey = new Journey();
    this.shownScreen = "";
    this.wasLost = false;
    this.guarded = false;
    this.journey.addEventListener("change", () => this.#follow());
    this.journey.addEventListener("refused", (event) => {
      const name = /** @type {CustomEvent} */ (event).detail;
      this.remark = { words: () => code("error", name) };
      setTimeout(() => (this.remark = null), REMARK_MS);
      void this.journey.refresh();
    });
    for (const name of ["online", "offline"]) addEventListener(name, () => this.requestUpdate());
    addEventListener("popstate", () => this.#guard());
  }

  async connectedCallback() {
    super.connectedCallback();
    await start("applicant");
    await this.journey.load();
    this.ready = true;
  }

  #follow() {
    const { screen, connection } = this.journey;
    if (connection === "lost") this.wasLost = true;
    if (connection === "open" && this.wasLost) {
      this.wasLost = false;
      announce(t("network.back"));
    }
    keepAwake(AWAKE.has(screen));
    if (GUARDED.has(screen) && !this.guarded && !history.state?.guard) history.pushState({ guard: true }, "");
    this.guarded = GUARDED.has(screen);
    this.requestUpdate();
  }

  #guard() {
    if (!this.guarded || history.state?.guard) return;
    history.pushState({ guard: true }, "");
    this.#askToLeave();
  }

  #askToLeave() {
    /** @type {HTMLDialogElement} */ (this.querySelector("#leave-dialog")).showModal();
  }

  async #leave() {
    this.leaving = true;
    try {
      await this.journey.leave();
    } catch (error) {
      this.remark = asApiError(error);
      await this.journey.refresh();
    }
    this.leaving = false;
    /** @type {HTMLDialogElement} */ (this.querySelector("#leave-dialog")).close();
  }

  updated() {
    if (!this.ready) return;
    const { screen } = this.journey;
    document.body.dataset.screen = screen;
    document.body.classList.toggle("dark", DARK.has(screen));
    const kind = ONE_ELEMENT[screen] ?? screen;
    const changed = kind !== this.shownScreen;
    const first = this.shownScreen === "";
    this.shownScreen = kind;
    if (changed) scrollTo(0, 0);
    setTimeout(() => {
      // once the screen has rendered; a frame to wait for would not come while the page is hidden
      this.#title();
      if (changed && !first) /** @type {HTMLElement | null} */ (this.querySelector("h1"))?.focus();
    });
  }

  #title() {
    const heading = this.querySelector("h1")?.textContent?.trim();
    document.title = heading ? `${heading} - ${t("product.name")}` : t("product.name");
  }

  #screen() {
    const { journey } = this;
    switch (journey.screen) {
      case "welcome":
        return html`<screen-welcome .journey=${journey}></screen-welcome>`;
      case "device":
        return html`<screen-device .journey=${journey}></screen-device>`;
      case "card-front":
        return html`<screen-card .journey=${journey} side="front"></screen-card>`;
      case "card-back":
        return html`<screen-card .journey=${journey} side="back"></screen-card>`;
      case "specimen":
        return html`<screen-specimen .journey=${journey}></screen-specimen>`;
      case "check":
        return html`<screen-check .journey=${journey}></screen-check>`;
      case "waiting":
      case "second-person":
        return html`<screen-waiting .journey=${journey} @leave=${this.#askToLeave}></screen-waiting>`;
      case "call":
      case "deciding":
        return html`<screen-talk
          .journey=${journey}
          @leave=${this.#askToLeave}
          @help=${() => this.#help()}
        ></screen-talk>`;
      case "signature":
      case "certificate":
        return html`<screen-signature .journey=${journey}></screen-signature>`;
      default:
        return html`<screen-end .journey=${journey}></screen-end>`;
    }
  }

  #help() {
    /** @type {any} */ (this.querySelector("applicant-help")).open();
  }

  #progress() {
    const step = STEP_OF[this.journey.screen];
    if (!step) return nothing;
    return html`
      <div class="progress" data-testid="progress">
        <p class="progress__words numbers">
          <span class="hidden-visually">${t("progress.step", { step, of: STEPS })}</span>
          <span aria-hidden="true">${step} / ${STEPS}</span>
        </p>
        <div class="progress__bar" aria-hidden="true">
          ${Array.from({ length: STEPS }, (_, i) => html`<span class=${i < step ? "done" : ""}></span>`)}
        </div>
      </div>
    `;
  }

  #bars() {
    const lost = !navigator.onLine ? "network.offline" : this.journey.connection === "lost" ? "network.lost" : "";
    return html`
      <div class="bars" role="status">
        ${lost ? html`<p class="bar" data-testid="network-bar">${icon("network")}<span>${t(lost)}</span></p>` : nothing}
        ${this.remark ? html`<p class="bar bar--remark">${icon("info")}<span>${this.remark.words()}</span></p>` : nothing}
      </div>
    `;
  }

  render() {
    if (!this.ready) return html`<p class="loading" aria-hidden="true"><span class="spinner__wheel"></span></p>`;
    const { journey } = this;
    const dark = DARK.has(journey.screen);
    return html`
      <header class="top">
        <span class="brand">${t("product.name")}</span>
        <betpe-languages
          short
          @chosen=${(/** @type {CustomEvent} */ event) => journey.tellLanguage(event.detail).catch(asApiError)}
        ></betpe-languages>
      </header>
      ${this.#bars()}
      <main class="page">
        ${dark ? nothing : this.#progress()} ${keyed(ONE_ELEMENT[journey.screen] ?? journey.screen, this.#screen())}
      </main>
      ${dark
        ? nothing
        : html`
            <footer class="foot">
              ${journey.service?.profile === "demo" ? html`<p class="foot__demo small">${t("demo.banner")}</p>` : nothing}
              <button type="button" class="button button--plain" data-testid="help" @click=${this.#help}>
                ${icon("help")}${t("help.open")}
              </button>
            </footer>
          `}
      <applicant-help .journey=${journey} @leave=${this.#askToLeave}></applicant-help>
      <dialog id="leave-dialog" aria-labelledby="leave-title">
        <h2 id="leave-title">${t("leave.title")}</h2>
        <div class="stack dialog__body">
          ${notice("warn", t(`leave.${STEP_OF[journey.screen] === 4 ? "queue" : "call"}`))}
          <button
            type="button"
            class="button button--danger button--wide"
            data-testid="leave-confirm"
            ?disabled=${this.leaving}
            @click=${this.#leave}
          >
            ${t("leave.yes")}
          </button>
          <form method="dialog">
            <button class="button button--secondary button--wide" data-testid="leave-stay">${t("leave.no")}</button>
          </form>
        </div>
      </dialog>
    `;
  }
}
customElements.define("betpe-applicant", BetpeApplicant);
