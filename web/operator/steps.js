/**
 * <betpe-steps>: the script of the talk, one step at a time, with the sentence to say in the citizen's language.
 * Contract: .desk, .case, .operatorName, .steps (names in order), .revision; methods next(), problem(), skip(), back().
 * It fires "compare" when the next step is the comparison, which records itself; "tilt" and "features" begin what else
 * can be done at the steps with the card.
 */
import { BetpeElement } from "../shared/element.js";
import { code, language, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, ifDefined, nothing } from "../shared/lit.js";
import { label } from "./keys.js";
import { loadScript, say } from "./script.js";

const COMPARE = "compare";
/** Not a step: what to say while the decision can still be taken back. */
const CLOSING = "closing";
const NOTE_LENGTH = 1000;
const CARD_STEPS = ["show_card", "tilt_card"];
const ICONS = /** @type {const} */ ({ done: "tick", problem: "warning", skipped: "back" });

export class BetpeSteps extends BetpeElement {
  static properties = {
    desk: { attribute: false },
    case: { attribute: false },
    steps: { attribute: false },
    operatorName: { attribute: false },
    revision: { attribute: false },
    picked: { state: true },
    noting: { state: true },
    spoken: { state: true },
  };

  constructor() {
    super();
    /** @type {import("./desk.js").Desk} */
    this.desk = /** @type {any} */ (null);
    /** @type {import("./types.js").Case} */
    this.case = /** @type {any} */ (null);
    /** @type {string[]} */
    this.steps = [];
    this.operatorName = "";
    this.revision = 0;
    /** A step chosen by hand, to look at it or record it anew; null follows the script. @type {string | null} */
    this.picked = null;
    this.noting = false;
    /** Languages whose sentences are loaded. @type {string} */
    this.spoken = "";
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    const before = /** @type {import("./types.js").Case | undefined} */ (changed.get("case"));
    if (changed.has("case") && before?.language !== this.case.language) {
      void loadScript(this.case.language).then(() => (this.spoken = this.case.language));
    }
    if (before && before.next_step !== this.case.next_step) {
      this.picked = null;
      this.noting = false;
    }
  }

  get current() {
    return this.picked ?? this.case.next_step;
  }

  get live() {
    return this.case.state === "in_call" || this.case.state === "suspended";
  }

  /** Newest record of a step. @param {string} step */
  #record(step) {
    return this.case.steps.findLast((record) => record.step === step);
  }

  next() {
    if (!this.live || !this.current) return;
    if (this.current === COMPARE) this.dispatchEvent(new CustomEvent("compare", { bubbles: true }));
    else void this.#save("done");
  }

  skip() {
    if (this.live && this.current && this.current !== COMPARE) void this.#save("skipped");
  }

  async problem() {
    if (!this.live || !this.current || this.current === COMPARE) return;
    this.noting = true;
    await this.updateComplete;
    /** @type {HTMLElement | null} */ (this.querySelector(".steps__note"))?.focus();
  }

  /** Out of the note. @returns {boolean} whether there was anything to leave */
  back() {
    if (!this.noting && !this.picked) return false;
    this.noting = false;
    this.picked = null;
    return true;
  }

  /** @param {"done" | "skipped" | "problem"} outcome @param {string} [note] */
  async #save(outcome, note = "") {
    const step = this.current;
    if (!step) return;
    if (await this.desk.run("step", "POST", "case/steps", { step, outcome, note })) {
      this.picked = null;
      this.noting = false;
    }
  }

  /** @param {SubmitEvent} event */
  #saveProblem(event) {
    event.preventDefault();
    const note = /** @type {HTMLInputElement} */ (this.querySelector(".steps__note"));
    void this.#save("problem", note.value.trim());
  }

  #list() {
    return html`
      <ol class="steps__list">
        ${this.steps.map((step, index) => {
          const outcome = this.#record(step)?.outcome;
          const current = step === this.current;
          const state = outcome ?? (current ? "current" : "to_do");
          const sign = outcome ? ICONS[/** @type {keyof typeof ICONS} */ (outcome)] : undefined;
          return html`
            <li class="step step--${state} ${current ? "step--here" : ""}">
              <button
                type="button"
                class="step__button"
                title=${code("step", step)}
                aria-current=${ifDefined(current ? "step" : undefined)}
                data-testid="step-${step}"
                data-outcome=${outcome ?? ""}
                ?disabled=${!this.live}
                @click=${() => (this.picked = step === this.case.next_step ? null : step)}
              >
                <span class="step__sign">${sign ? icon(sign) : index + 1}</span>
                <span class="step__name">${code("step", step)}</span>
                <span class="hidden-visually">, ${code("step_outcome", state)}</span>
              </button>
            </li>
          `;
        })}
      </ol>
    `;
  }

  #sentence() {
    if (this.case.state === "deciding") return this.#spoken(CLOSING);
    const step = this.current;
    if (!this.live) return html`<p class="quiet">${t("steps.not_begun")}</p>`;
    if (!step) return html`<p class="steps__all-done">${icon("tick")}${t("steps.all_done")}</p>`;
    return html`
      ${this.#spoken(step)}
      <p class="steps__look small"><b>${t("steps.look")}:</b> ${t(`look.${step}`)}</p>
    `;
  }

  /** What to say, in the citizen's language, and what it means where that is not the page's. @param {string} step */
  #spoken(step) {
    const spoken = this.case.language;
    const sentence = say(spoken, step, { operator: this.operatorName });
    const translated = spoken === language() ? "" : t(`say.${step}`, { operator: this.operatorName });
    return html`
      <p class="steps__say" lang=${spoken} data-testid="step-say">
        <span class="steps__say-label" lang=${language()}>${t("steps.say")}</span>${sentence}
      </p>
      ${translated ? html`<p class="steps__translated quiet small">${translated}</p>` : nothing}
    `;
  }

  #buttons() {
    const step = this.current;
    if (!this.live || !step) return nothing;
    const busy = this.desk.busy.has("step");
    if (this.noting) {
      return html`
        <form class="steps__problem" @submit=${this.#saveProblem}>
          <label class="hidden-visually" for="step-note">${t("steps.problem_note")}</label>
          <input
            class="input steps__note"
            id="step-note"
            maxlength=${NOTE_LENGTH}
            autocomplete="off"
            placeholder=${t("steps.problem_note")}
            data-testid="step-problem-note"
          />
          <button class="button" data-testid="step-problem-save" ?disabled=${busy}>${t("steps.problem_save")}<kbd class="key" aria-hidden="true">Enter</kbd></button>
          <button type="button" class="button button--secondary" @click=${() => this.back()}>${t("common.back")}<kbd class="key" aria-hidden="true">Esc</kbd></button>
        </form>
      `;
    }
    const comparing = step === COMPARE;
    return html`
      <div class="steps__buttons">
        <button
          type="button"
          class="button steps__next"
          aria-keyshortcuts="Space"
          data-testid="step-next"
          ?disabled=${busy || this.desk.busy.has("compare")}
          @click=${() => this.next()}
        >
          ${t(comparing ? "steps.compare_now" : "steps.done")}<kbd class="key" aria-hidden="true">${label("next")}</kbd>
        </button>
        ${comparing
          ? nothing
          : html`
              <button type="button" class="button button--secondary" aria-keyshortcuts="P" data-testid="step-problem" ?disabled=${busy} @click=${() => this.problem()}>
                ${t("steps.problem")}<kbd class="key" aria-hidden="true">${label("problem")}</kbd>
              </button>
              ${CARD_STEPS.includes(step) ? html`<span class="steps__break"></span>` : nothing}
              ${step === "tilt_card" ? this.#tool("tilt") : nothing} ${CARD_STEPS.includes(step) ? this.#tool("features") : nothing}
              <button type="button" class="button button--plain" aria-keyshortcuts="S" data-testid="step-skip" ?disabled=${busy} @click=${() => this.skip()}>
                ${t("steps.skip")}<kbd class="key" aria-hidden="true">${label("skip")}</kbd>
              </button>
            `}
      </div>
    `;
  }

  /** @param {"tilt" | "features"} name what the server does at this step */
  #tool(name) {
    return html`
      <button
        type="button"
        class="button button--plain"
        aria-keyshortcuts=${label(name)}
        title=${t(`keys.${name}`)}
        data-testid=${name}
        ?disabled=${this.case.state !== "in_call" || this.desk.busy.has(name)}
        @click=${() => this.dispatchEvent(new CustomEvent(name, { bubbles: true }))}
      >
        ${name === "tilt" ? t("steps.tilt") : t("steps.features")}<kbd class="key" aria-hidden="true">${label(name)}</kbd>
      </button>
    `;
  }

  render() {
    return html`
      <h2 class="hidden-visually">${t("steps.title")}</h2>
      ${this.#list()}
      <div class="steps__body">${this.#sentence()}</div>
      ${this.#buttons()}
    `;
  }
}
customElements.define("betpe-steps", BetpeSteps);
