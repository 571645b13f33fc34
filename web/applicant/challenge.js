/**
 * <betpe-challenge>: what the citizen is asked to do just now, in words and in a picture, over the call; the consultant
 * is heard on. Contract: .prompt {id, kind, number, of, window, parameters} of the snapshot, .stream (the own camera),
 * .mirrored (whether the own picture is shown as in a mirror). A new id or kind begins anew; nothing is answered from
 * here: the server judges what its frames show. Digits and colours follow the moment of showing, slot by slot.
 * What is asked of the card names sides of the picture that the camera sends: where the own picture is mirrored, the
 * other side is asked for, as the citizen sees it.
 */
import { BetpeElement } from "../shared/element.js";
import { code, has, number, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { announce } from "../shared/parts.js";
import { figure } from "./challenge-figure.js";

/** Seconds: whatever the server says, nothing here changes more than three times a second (WCAG 2.3.1). */
const SHORTEST_SLOT = 0.34;
/** Requests that are of the card, and their mirror images. @type {Record<string, string>} */
const OF_CARD = {
  card_calm: "card_calm",
  tilt_left: "tilt_right",
  tilt_right: "tilt_left",
  tilt_up: "tilt_up",
  tilt_down: "tilt_down",
  finger_left: "finger_right",
  finger_right: "finger_left",
};
const SHADE = /^#[0-9a-f]{6}$/i;

/** @typedef {{id: number, kind: string, number: number, of: number, window: number, parameters: Record<string, any>}} Prompt */

class BetpeChallenge extends BetpeElement {
  static properties = {
    prompt: { attribute: false },
    stream: { attribute: false },
    mirrored: { attribute: false },
    place: { state: true },
  };

  constructor() {
    super();
    this.prompt = /** @type {Prompt} */ (/** @type {unknown} */ (undefined));
    /** @type {MediaStream | null} */
    this.stream = null;
    this.mirrored = true;
    /** The slot (digit, colour) that is on now. */
    this.place = 0;
    this.shown = "";
    /** Steps so far and of how many: between two steps the server says neither. */
    this.step = 0;
    this.of = 0;
    this.began = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearTimeout(this.timer);
    this.shown = "";
  }

  /** Digits or shades, one a slot; empty for a request that does not go by slots. @returns {string[]} */
  get slots() {
    const { kind, parameters } = this.prompt;
    const given = kind === "read_digits" ? parameters.slots : kind === "colour_flash" ? parameters.shades : null;
    return Array.isArray(given) ? given.map(String) : [];
  }

  willUpdate() {
    const shown = `${this.prompt.id} ${this.prompt.kind}`;
    if (shown === this.shown) return;
    this.shown = shown;
    if (this.prompt.of) {
      this.step = this.prompt.number;
      this.of = this.prompt.of;
    }
    clearTimeout(this.timer);
    this.place = 0;
    this.began = performance.now();
    if (this.slots.length > 0) this.#waitForNextSlot();
    announce(this.words);
  }

  /** Counted from the beginning, so that a late timer does not make all later slots late. */
  #waitForNextSlot() {
    const length = 1000 * Math.max(SHORTEST_SLOT, Number(this.prompt.parameters.seconds) || 1);
    const due = this.began + (this.place + 1) * length - performance.now();
    this.timer = setTimeout(() => {
      this.place += 1;
      if (this.place < this.slots.length) this.#waitForNextSlot();
    }, Math.max(0, due));
  }

  /** The colour of the whole screen now, or "". */
  get shade() {
    const shade = this.prompt.kind === "colour_flash" ? (this.slots[this.place] ?? "") : "";
    return SHADE.test(shade) ? shade : "";
  }

  get ofCard() {
    return Object.hasOwn(OF_CARD, this.prompt.kind);
  }

  /** The request as the citizen sees herself. */
  get kind() {
    return this.ofCard && this.mirrored ? OF_CARD[this.prompt.kind] : this.prompt.kind;
  }

  get words() {
    const { kind, prompt: { parameters } } = this;
    if (!has(`challenge.${kind}`)) return code("challenge", kind);
    return t(`challenge.${kind}`, { times: Number(parameters.times) || 1 });
  }

  updated() {
    const screen = /** @type {HTMLElement} */ (this.querySelector(".challenge"));
    // Through the object model, which the policy lets modules do; a style attribute it would not.
    if (this.shade) screen.style.setProperty("background-color", this.shade);
    else screen.style.removeProperty("background-color");
    const video = /** @type {HTMLVideoElement} */ (this.querySelector(".challenge__self"));
    if (video.srcObject !== this.stream) video.srcObject = this.stream;
  }

  #progress() {
    if (!this.of) return nothing;
    const between = ["calm", "card_calm"].includes(this.prompt.kind);
    return html`
      <p class="challenge__progress numbers">
        <span>${t("challenge.step", { number: this.step, of: this.of })}</span>
        <span class="challenge__marks" aria-hidden="true">
          ${Array.from({ length: this.of }, (_, index) => {
            const done = index < this.step - 1 || (between && index < this.step);
            const now = !between && index === this.step - 1;
            return html`<span class="challenge__mark ${done ? "challenge__mark--done" : now ? "challenge__mark--now" : ""}"></span>`;
          })}
        </span>
      </p>
    `;
  }

  /** The digit to read now; a dot while there is none. */
  #digits() {
    const digit = this.slots[this.place] ?? "";
    const over = this.place >= this.slots.length;
    return html`
      <p class="challenge__digit numbers" data-testid="challenge-digit" data-place=${this.place}>
        ${digit !== ""
          ? number(Number(digit))
          : html`<span class="challenge__pause">${over ? icon("tick") : t("challenge.pause")}</span>`}
      </p>
    `;
  }

  #picture() {
    const { kind } = this;
    if (kind === "colour_flash") return nothing;
    return kind === "read_digits" ? this.#digits() : html`<div class="challenge__figure">${figure(kind)}</div>`;
  }

  render() {
    const { id, kind, parameters } = this.prompt;
    return html`
      <section
        class="challenge challenge--${kind} ${this.ofCard ? "challenge--card" : ""} ${this.shade ? "challenge--lit" : ""}"
        aria-label=${t("challenge.title")}
        data-testid="challenge-prompt"
        data-kind=${kind}
        data-number=${id}
        data-times=${parameters.times ?? nothing}
      >
        ${this.#progress()}
        <p class="challenge__words">${this.shade ? t("challenge.look") : this.words}</p>
        ${this.#picture()}
        <div class="challenge__oval">
          <video
            class="challenge__self ${this.mirrored ? "challenge__self--mirrored" : ""}"
            autoplay
            muted
            playsinline
            aria-label=${t(this.ofCard ? "challenge.own_card" : "talk.self")}
          ></video>
        </div>
      </section>
    `;
  }
}
customElements.define("betpe-challenge", BetpeChallenge);
