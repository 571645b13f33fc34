/** <betpe-interpreting>: the whole page of the interpreter. Which screen it shows stands in body[data-screen]. */
import { keepAwake } from "../shared/awake.js";
import { LevelMeter } from "../shared/camera.js";
import { BetpeElement } from "../shared/element.js";
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import "../shared/languages.js";
import { html, nothing } from "../shared/lit.js";
import { notice, spinner } from "../shared/parts.js";
import { Visit } from "./visit.js";
import "./room.js";

const DUTIES = /** @type {const} */ (["duty.secret", "duty.faithful", "duty.alone", "duty.recorded"]);

export class BetpeInterpreting extends BetpeElement {
  static properties = { agreed: { state: true } };

  constructor() {
    super();
    this.visit = new Visit();
    this.begun = false;
    this.agreed = false;
    this.count = 0;
    this.shownScreen = "";
    /** @type {LevelMeter | null} */
    this.meter = null;
    /** @type {MediaStream | null} */
    this.metered = null;
    this.visit.addEventListener("change", () => this.requestUpdate());
    addEventListener("hashchange", () => void this.visit.open(this.#takeToken()));
  }

  /** The texts are there: show the page and sign in. */
  begin() {
    this.begun = true;
    this.requestUpdate();
    void this.visit.open(this.#takeToken());
  }

  /** The one-time token leaves the address (and the history) at once. */
  #takeToken() {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (token) history.replaceState(null, "", location.pathname + location.search);
    return token;
  }

  updated() {
    if (!this.begun) return;
    const { screen, stream } = this.visit;
    document.body.dataset.screen = screen;
    document.title = `${t("page.title")} - Betpe-bet`;
    keepAwake(screen === "wait" || screen === "call");
    const preview = /** @type {HTMLVideoElement | null} */ (this.querySelector(".device__picture"));
    if (preview && preview.srcObject !== stream) preview.srcObject = stream;
    this.#measure(screen === "device" ? stream : null);
    if (screen === this.shownScreen) return;
    const first = this.shownScreen === "";
    this.shownScreen = screen;
    if (!first) /** @type {HTMLElement | null} */ (this.querySelector("h1"))?.focus({ preventScroll: true });
  }

  /** @param {MediaStream | null} stream */
  #measure(stream) {
    if (this.metered === stream) return;
    void this.meter?.stop();
    this.metered = stream;
    this.meter = stream && new LevelMeter(stream, (level) => {
      const bar = /** @type {HTMLMeterElement | null} */ (this.querySelector(".device__level"));
      if (bar) bar.value = level;
    });
  }

  /** @param {"link-invalid" | "signed-out" | "elsewhere"} gate */
  #gate(gate) {
    const texts = `gate.${gate.replace("-", "_")}`;
    return html`
      <h1 tabindex="-1">${t(`${texts}.title`)}</h1>
      <p>${t(`${texts}.text`)}</p>
      ${gate === "elsewhere"
        ? html`<button type="button" class="button" data-testid="open-here" @click=${() => this.visit.openHere()}>${t("gate.here")}</button>`
        : nothing}
    `;
  }

  #duty() {
    const { interpreter } = /** @type {import("./visit.js").Snapshot} */ (this.visit.snapshot);
    const { name } = interpreter;
    return html`
      <h1 tabindex="-1">${t("duty.title")}</h1>
      <p><b data-testid="own-name">${t("duty.who", { name, language: code("interpreted", interpreter.language) })}</b></p>
      <p>${t("duty.text")}</p>
      <ul class="duty__list">
        ${DUTIES.map((duty) => html`<li>${t(duty)}</li>`)}
      </ul>
      ${this.visit.failure ? html`<div role="alert">${notice("bad", this.visit.failure.words())}</div>` : nothing}
      <label class="choice">
        <input
          type="checkbox"
          data-testid="duty-agree"
          .checked=${this.agreed}
          @change=${(/** @type {Event} */ event) => (this.agreed = /** @type {HTMLInputElement} */ (event.target).checked)}
        />
        <span>${t("duty.agree")}</span>
      </label>
      <button
        type="button"
        class="button button--main"
        data-testid="duty-next"
        ?disabled=${!this.agreed || this.visit.busy}
        @click=${() => void this.visit.bind()}
      >
        ${t("duty.next")}
      </button>
    `;
  }

  #device() {
    const { fault, stream } = this.visit;
    return html`
      <h1 tabindex="-1">${t("device.title")}</h1>
      <p>${t("device.text")}</p>
      ${fault
        ? html`<div role="alert">${notice("bad", fault.words(), { testid: "device-fault" })}</div>
            <button type="button" class="button" data-testid="device-retry" @click=${() => void this.visit.openDevices()}>
              ${t("common.try_again")}
            </button>`
        : html`
            <video class="device__picture" autoplay muted playsinline .muted=${true} aria-label=${t("call.self")}></video>
            <meter class="device__level" min="0" max="1" aria-label=${t("device.level")}></meter>
          `}
      <button type="button" class="button button--main" data-testid="join" ?disabled=${!stream} @click=${() => this.visit.enter()}>
        ${t("device.join")}
      </button>
    `;
  }

  #screen() {
    const { visit } = this;
    switch (visit.screen) {
      case "link-invalid":
      case "signed-out":
      case "elsewhere":
        return this.#gate(visit.screen);
      case "duty":
        return this.#duty();
      case "device":
        return this.#device();
      case "wait":
        return html`<h1 tabindex="-1">${t("wait.title")}</h1>
          ${spinner(t("wait.text"))}`;
      case "end": {
        const by = visit.snapshot?.interpreter.ended ?? "";
        return html`<h1 tabindex="-1" data-testid="end" data-by=${by}>${t("end.title")}</h1>
          <p>${code("end", by)}</p>
          <p class="quiet">${t("end.duty")}</p>`;
      }
      default:
        return spinner(t(visit.screen === "unreachable" ? "gate.unreachable" : "gate.loading"));
    }
  }

  render() {
    if (!this.begun) return nothing;
    const { visit } = this;
    this.count += 1;
    const lost = visit.socket.status === "lost" && !visit.gate;
    return html`
      <header class="top">
        <span class="brand">${t("product.name")}</span>
        ${lost ? html`<span class="top__lost" role="status">${icon("network")}${t("call.lost")}</span>` : nothing}
        <betpe-languages short></betpe-languages>
      </header>
      ${visit.screen === "call"
        ? html`<betpe-room .visit=${visit} .revision=${this.count}></betpe-room>`
        : html`<main class="page"><div class="card stack">${this.#screen()}</div></main>`}
    `;
  }
}
customElements.define("betpe-interpreting", BetpeInterpreting);
