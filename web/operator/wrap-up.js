/**
 * <betpe-wrap-up>: after the call, on one screen: what was decided, in short, one optional note, and on to the next.
 * Contract: .desk, .snapshot, .revision. Enter finishes; nothing else is asked.
 */
import { BetpeElement } from "../shared/element.js";
import { clock, code, number, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice } from "../shared/parts.js";
import { listen } from "./keys.js";
import { outcomeStatus } from "./words.js";

const NOTE_LENGTH = 1000;
const PAUSE_AFTER = "break";
const ICONS = /** @type {const} */ ({ approve: "tick", reject: "cross", refer: "person" });

class BetpeWrapUp extends BetpeElement {
  static properties = {
    desk: { attribute: false },
    snapshot: { attribute: false },
    revision: { attribute: false },
  };

  constructor() {
    super();
    /** @type {import("./desk.js").Desk} */
    this.desk = /** @type {any} */ (null);
    /** @type {import("./types.js").Snapshot} */
    this.snapshot = /** @type {any} */ (null);
    this.revision = 0;
    /** @type {(() => void) | undefined} */
    this.stopKeys = undefined;
    /** When the wrap-up began here: the call's length is counted to it where no decision ended it. */
    this.began = Date.now();
  }

  connectedCallback() {
    super.connectedCallback();
    this.stopKeys = listen((command) => {
      if (command !== "confirm") return false;
      void this.#finish(false);
      return true;
    });
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.stopKeys?.();
  }

  /** @param {boolean} thenPause */
  async #finish(thenPause) {
    if (thenPause && !(await this.desk.setAvailability("paused", PAUSE_AFTER))) return;
    const note = /** @type {HTMLInputElement} */ (this.querySelector("#wrap-note")).value.trim();
    await this.desk.run("wrap_up", "POST", "case/wrap-up", { note });
  }

  /** @param {string} term @param {unknown} value */
  #line(term, value) {
    return html`<div><dt>${term}</dt><dd>${value}</dd></div>`;
  }

  /** @param {import("./types.js").Case} hand */
  #summary(hand) {
    const { decision } = hand;
    const end = decision ? Date.parse(decision.made_at) : this.began;
    const done = new Set(hand.steps.filter((record) => record.outcome === "done").map((record) => record.step));
    const match = hand.checks.find((check) => check.check === "face_match");
    const steps = this.desk.service?.steps.filter((step) => step !== "compare") ?? [];
    return html`
      <dl class="wrap__summary numbers">
        ${decision?.reason_code ? this.#line(t("wrap.reason"), code("decision_reason", decision.reason_code)) : nothing}
        ${decision?.note ? this.#line(t("wrap.note_of_decision"), decision.note) : nothing}
        ${decision?.override_reason ? this.#line(t("wrap.override"), decision.override_reason) : nothing}
        ${hand.call_started_at ? this.#line(t("wrap.length"), clock((end - Date.parse(hand.call_started_at)) / 1000)) : nothing}
        ${hand.steps.length > 0
          ? this.#line(t("wrap.steps"), t("wrap.steps.count", { done: steps.filter((step) => done.has(step)).length, all: steps.length }))
          : nothing}
        ${match
          ? this.#line(
              t("wrap.match"),
              html`${outcomeStatus(match.outcome)}${match.score === null || match.threshold === null
                ? nothing
                : html` <span class="quiet">${number(match.score, { maximumFractionDigits: 3 })} (${t("match.threshold", { threshold: number(match.threshold, { maximumFractionDigits: 3 }) })})</span>`}`,
            )
          : nothing}
      </dl>
    `;
  }

  render() {
    const hand = this.snapshot.case;
    if (!hand) return nothing;
    const { decision } = hand;
    const { failure } = this.desk;
    const busy = this.desk.busy.has("wrap_up") || this.desk.busy.has("availability");
    const ready = this.snapshot.operator.availability === "ready";
    return html`
      <main class="wrap">
        <form
          class="card wrap__card stack"
          @submit=${(/** @type {Event} */ event) => {
            event.preventDefault();
            void this.#finish(false);
          }}
        >
          <p class="quiet">${t("wrap.title")}</p>
          <h1 tabindex="-1" class="wrap__outcome wrap__outcome--${decision?.outcome ?? "none"}" data-testid="wrap-outcome" data-outcome=${decision?.outcome ?? "none"}>
            <span class="undo__sign">${icon(decision ? ICONS[decision.outcome] : "info")}</span>
            ${decision ? code("decision", decision.outcome) : t("wrap.outcome.none")}
          </h1>
          <p>${decision ? t(`wrap.citizen_sees.${decision.outcome}`) : t("wrap.outcome.none.text")}</p>
          ${this.#summary(hand)}
          <div class="field">
            <label for="wrap-note">${t("wrap.note")}</label>
            <input class="input" id="wrap-note" maxlength=${NOTE_LENGTH} autocomplete="off" data-testid="wrap-note" />
          </div>
          ${failure ? html`<div role="alert">${notice("bad", failure.error.words())}</div>` : nothing}
          <div class="wrap__buttons">
            <button class="button button--main" aria-keyshortcuts="Enter" data-testid="wrap-up-done" ?disabled=${busy}>
              ${t(ready ? "wrap.done" : "wrap.done_paused")}<kbd class="key" aria-hidden="true">Enter</kbd>
            </button>
            ${ready
              ? html`
                  <button type="button" class="button button--secondary" data-testid="wrap-up-pause" ?disabled=${busy} @click=${() => void this.#finish(true)}>
                    ${t("wrap.pause")}
                  </button>
                `
              : nothing}
          </div>
        </form>
      </main>
    `;
  }
}
customElements.define("betpe-wrap-up", BetpeWrapUp);
