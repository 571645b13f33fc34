/**
 * <betpe-comparison>: the portrait of the card beside the live frame that was compared, with the score, its threshold
 * and what that means. Contract: .case, .busy (a comparison runs); method toggleWipe(). Both pictures zoom and move
 * together; wiping lays one over the other with a border that the slider moves.
 */
import { BetpeElement } from "../shared/element.js";
import { code, number, t, time } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { createRef, html, nothing, ref, svg } from "../shared/lit.js";
import { outcomeStatus, reasonWords } from "./words.js";
import { missing, pictureUrl } from "./pictures.js";

const ZOOMS = [1, 1.5, 2, 3, 4];
/** How far one arrow key moves the pictures, as a part of their size. */
const KEY_STEP = 0.04;
/** The scale drawn under the score, in thresholds: strangers lie about 0, one person's faces well over 1. */
const SCALE = { from: -1 / 3, to: 3, width: 240, height: 34 };
const SCORE_DIGITS = { minimumFractionDigits: 3, maximumFractionDigits: 3 };

/** @param {number} value @param {number} threshold */
const onScale = (value, threshold) => {
  const clamped = Math.min(SCALE.to, Math.max(SCALE.from, value / threshold));
  return ((clamped - SCALE.from) / (SCALE.to - SCALE.from)) * SCALE.width;
};

export class BetpeComparison extends BetpeElement {
  static properties = {
    case: { attribute: false },
    busy: { type: Boolean },
    wiping: { state: true },
    zoom: { state: true },
  };

  constructor() {
    super();
    /** @type {import("./types.js").Case} */
    this.case = /** @type {any} */ (null);
    this.busy = false;
    /** When the result was made that was there as this comparison began: a newer one is shown at once. */
    this.before = "";
    this.wiping = false;
    /** Index into ZOOMS. */
    this.zoom = 0;
    this.wipe = 50;
    this.pan = { x: 0, y: 0 };
    /** @type {import("../shared/lit.js").Ref<HTMLElement>} */
    this.pictures = createRef();
  }

  get check() {
    return this.case.checks.find((check) => check.check === "face_match") ?? null;
  }

  toggleWipe() {
    if (this.check?.images.probe && this.case.images.portrait) this.wiping = !this.wiping;
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("busy") && this.busy) this.before = this.check?.at ?? "";
  }

  /** The policy allows no style attribute in the page; a script may set single properties. */
  updated() {
    const style = this.pictures.value?.style;
    style?.setProperty("--zoom", String(ZOOMS[this.zoom]));
    style?.setProperty("--pan-x", `${this.pan.x * 100}%`);
    style?.setProperty("--pan-y", `${this.pan.y * 100}%`);
    style?.setProperty("--wipe", `${this.wipe}%`);
  }

  /** @param {number} by */
  #zoomBy(by) {
    this.zoom = Math.min(ZOOMS.length - 1, Math.max(0, this.zoom + by));
    this.#panTo(this.pan.x, this.pan.y);
    this.requestUpdate();
  }

  /** Never so far that the picture leaves its frame. @param {number} x @param {number} y */
  #panTo(x, y) {
    const most = (ZOOMS[this.zoom] - 1) / 2;
    const within = (/** @type {number} */ value) => Math.min(most, Math.max(-most, value));
    this.pan = { x: within(x), y: within(y) };
    this.updated();
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    if (this.zoom === 0 || !(event.target instanceof Element) || event.target.closest("input, button")) return;
    const frame = /** @type {HTMLElement} */ (event.currentTarget);
    const { width, height } = (event.target.closest(".face__frame") ?? frame).getBoundingClientRect();
    const begin = { x: event.clientX, y: event.clientY, ...{ panX: this.pan.x, panY: this.pan.y } };
    frame.setPointerCapture(event.pointerId);
    const move = (/** @type {PointerEvent} */ moved) =>
      this.#panTo(begin.panX + (moved.clientX - begin.x) / width, begin.panY + (moved.clientY - begin.y) / height);
    frame.addEventListener("pointermove", move);
    frame.addEventListener("lostpointercapture", () => frame.removeEventListener("pointermove", move), { once: true });
  }

  /** @param {KeyboardEvent} event */
  #arrow(event) {
    if (event.target instanceof HTMLInputElement) return;
    const steps = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (!step || this.zoom === 0) return;
    event.preventDefault();
    this.#panTo(this.pan.x + step[0] * KEY_STEP, this.pan.y + step[1] * KEY_STEP);
  }

  /** @param {string} name @param {string | undefined} sha256 @param {string} none */
  #face(name, sha256, none) {
    return html`
      <figure class="face">
        <div class="face__frame" data-picture data-missing=${t("picture.missing")}>
          ${sha256
            ? html`<img class="face__picture" src=${pictureUrl(sha256)} alt=${t(`match.${name}`)} draggable="false" data-testid="match-${name}" @error=${missing} />`
            : html`<p class="quiet">${none}</p>`}
        </div>
        <figcaption>${t(`match.${name}`)}</figcaption>
      </figure>
    `;
  }

  /** @param {string} portrait @param {string} probe */
  #overlaid(portrait, probe) {
    return html`
      <figure class="face face--overlaid">
        <div class="face__frame" data-picture data-missing=${t("picture.missing")}>
          <img class="face__picture" src=${pictureUrl(probe)} alt=${t("match.probe")} draggable="false" @error=${missing} />
          <div class="face__over"><img class="face__picture" src=${pictureUrl(portrait)} alt=${t("match.portrait")} draggable="false" @error=${missing} /></div>
          <span class="face__border" aria-hidden="true"></span>
        </div>
        <input
          class="face__slider"
          type="range"
          min="0"
          max="100"
          .value=${String(this.wipe)}
          aria-label=${t("match.wipe.slider")}
          data-testid="wipe-slider"
          @input=${(/** @type {Event} */ event) => {
            this.wipe = Number(/** @type {HTMLInputElement} */ (event.target).value);
            this.updated();
          }}
        />
        <figcaption><span>${t("match.portrait")}</span><span>${t("match.probe")}</span></figcaption>
      </figure>
    `;
  }

  #tools() {
    const factor = number(ZOOMS[this.zoom]);
    return html`
      <div class="match__tools">
        <button type="button" class="small-button" aria-pressed=${this.wiping ? "true" : "false"} aria-keyshortcuts="W" data-testid="wipe" @click=${this.toggleWipe}>
          ${t("match.wipe")}<kbd class="key" aria-hidden="true">W</kbd>
        </button>
        <button type="button" class="small-button" aria-label=${t("match.zoom_out")} data-testid="zoom-out" ?disabled=${this.zoom === 0} @click=${() => this.#zoomBy(-1)}>−</button>
        <span class="numbers" aria-live="polite">${t("match.zoom", { factor })}</span>
        <button type="button" class="small-button" aria-label=${t("match.zoom_in")} data-testid="zoom-in" ?disabled=${this.zoom === ZOOMS.length - 1} @click=${() => this.#zoomBy(1)}>+</button>
      </div>
    `;
  }

  /** @param {import("./types.js").Check} check */
  #scale({ score, threshold, outcome }) {
    if (score === null || threshold === null) return nothing;
    const [at, limit] = [onScale(score, threshold), onScale(threshold, threshold)];
    return html`
      <svg class="scale scale--${outcome}" viewBox="0 0 ${SCALE.width} ${SCALE.height}" aria-hidden="true" focusable="false">
        ${svg`
          <line class="scale__track" x1="0" x2=${SCALE.width} y1="22" y2="22" />
          <line class="scale__above" x1=${limit} x2=${SCALE.width} y1="22" y2="22" />
          <line class="scale__limit" x1=${limit} x2=${limit} y1="12" y2="32" />
          <path class="scale__score" d="M${at} 18 l-7 -12 h14 z" />
        `}
      </svg>
    `;
  }

  /** A score never stands without its threshold and what the threshold means. @param {import("./types.js").Check} check */
  #score(check) {
    const { score, threshold, fmr } = check;
    if (score === null || threshold === null) {
      return html`<p>${t("match.no_score")}</p>`;
    }
    const difference = number(Math.abs(score - threshold), SCORE_DIGITS);
    return html`
      <p class="match__score numbers" data-testid="score" data-score=${score} data-threshold=${threshold}>
        <span class="hidden-visually">${t("match.score")}</span>
        <b>${number(score, SCORE_DIGITS)}</b>
        <span>${t("match.threshold", { threshold: number(threshold, SCORE_DIGITS) })}</span>
      </p>
      ${this.#scale(check)}
      <p class="small">${t(score >= threshold ? "match.above" : "match.below", { difference })}</p>
      ${fmr ? html`<p class="small" data-testid="score-meaning">${t("match.meaning", { count: number(Math.round(1 / fmr)) })}</p>` : nothing}
    `;
  }

  #result() {
    const { check } = this;
    if (this.busy && (check?.at ?? "") === this.before) return html`<p class="match__running" role="status">${t("match.running")}</p>`;
    if (!check) return html`<p class="quiet">${t("match.ask")}</p>`;
    const times = this.case.history.filter((one) => one.check === "face_match").length;
    return html`
      <p class="match__outcome" data-testid="match-outcome" data-outcome=${check.outcome}>${outcomeStatus(check.outcome)}</p>
      ${check.outcome === "passed" && check.score !== null
        ? nothing
        : html`<p class="match__reason">${check.reasons.map((reason) => html`${reasonWords(reason)} `)}</p>`}
      ${this.#score(check)}
      <p class="quiet small">
        ${t("match.at", { time: time(check.at) })}${times > 1 ? html`. ${t("match.again", { count: times })}` : nothing}
      </p>
    `;
  }

  render() {
    const { portrait } = this.case.images;
    const probe = this.check?.images.probe;
    const both = Boolean(portrait && probe);
    return html`
      <section class="match match--${this.check?.outcome ?? "not_run"}" aria-labelledby="match-title">
        <div class="match__head">
          <h2 id="match-title" class="part-title">${icon("person")}${code("check", "face_match")}</h2>
          ${both ? this.#tools() : nothing}
        </div>
        <div class="match__body">
          <div class="match__pictures">
            <div
              class="faces ${this.wiping && both ? "faces--overlaid" : ""} ${this.zoom > 0 ? "faces--zoomed" : ""}"
              role="group"
              aria-label=${t("match.pan")}
              tabindex=${this.zoom > 0 ? 0 : -1}
              ${ref(this.pictures)}
              @pointerdown=${this.#drag}
              @keydown=${this.#arrow}
            >
              ${this.wiping && portrait && probe
                ? this.#overlaid(portrait, probe)
                : html`${this.#face("portrait", portrait, t("match.no_portrait"))} ${this.#face("probe", probe, t("match.no_probe"))}`}
            </div>
          </div>
          <div class="match__result">${this.#result()}</div>
        </div>
      </section>
    `;
  }
}
customElements.define("betpe-comparison", BetpeComparison);
