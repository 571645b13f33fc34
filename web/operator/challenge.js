/**
 * <betpe-challenge-panel>: a challenge from the consultant's side. It stands in the place of the steps: for the face
 * first what the citizen cannot do, then, as for the card at once, how the tasks go; the result is a check like others.
 * Contract: .challenge (of the snapshot, or null), .busy; method confirm() begins; it fires "begin" (detail: needs),
 * "stop" and "leave".
 */
import { BetpeElement } from "../shared/element.js";
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { status } from "../shared/parts.js";

/** What a person may say she cannot do; the server leaves out the tasks that need it (verification/challenge.py). */
const NEEDS = [
  "cannot_turn_head",
  "cannot_move_nearer",
  "cannot_close_eyes",
  "cannot_open_mouth",
  "cannot_speak",
  "cannot_read_screen",
  "light_sensitive",
];
const KINDS = /** @type {const} */ ({ passed: "ok", failed: "bad", inconclusive: "warn", not_run: "off" });

/** The task by its name; how often, and which digits, is for the citizen alone to read. @param {string} kind */
const taskWords = (kind) => code("challenge_task", kind);

export class BetpeChallengePanel extends BetpeElement {
  static properties = { challenge: { attribute: false }, busy: { type: Boolean } };

  constructor() {
    super();
    /** @type {import("./types.js").Challenge | null} */
    this.challenge = null;
    this.busy = false;
  }

  firstUpdated() {
    /** @type {HTMLElement | null} */ (this.querySelector("h2"))?.focus();
  }

  confirm() {
    if (this.challenge || this.busy) return;
    const chosen = /** @type {NodeListOf<HTMLInputElement>} */ (this.querySelectorAll("input:checked"));
    this.#tell("begin", [...chosen].map((input) => input.value));
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }

  #before() {
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.confirm();
    };
    return html`
      <form class="challenge-panel" @submit=${submit} data-testid="challenge-form">
        <h2 tabindex="-1">${t("challenge_panel.title")}</h2>
        <p>${t("challenge_panel.text")}</p>
        <fieldset>
          <legend class="quiet">${t("challenge_panel.needs")}</legend>
          <div class="challenge-panel__needs">
            ${NEEDS.map(
              (need) => html`
                <label class="tick"><input type="checkbox" value=${need} data-testid="need-${need}" /><span>${code("need", need)}</span></label>
              `,
            )}
          </div>
        </fieldset>
        <div class="decide__buttons">
          <button class="button" data-testid="challenge-begin" ?disabled=${this.busy}>
            ${t("challenge_panel.start")}<kbd class="key" aria-hidden="true">Enter</kbd>
          </button>
          <button type="button" class="button button--secondary" @click=${() => this.#tell("leave")}>
            ${t("common.back")}<kbd class="key" aria-hidden="true">Esc</kbd>
          </button>
        </div>
      </form>
    `;
  }

  /** @param {import("./types.js").Challenge} challenge */
  #running(challenge) {
    const { current, number, of, progress, face, steps } = challenge;
    const card = challenge.check === "tilt";
    const seen = t(card ? (face ? "challenge_panel.card_seen" : "challenge_panel.no_card") : face ? "challenge_panel.face_seen" : "challenge_panel.no_face");
    const between = t(card ? "challenge_panel.card_between" : "challenge_panel.between");
    return html`
      <div class="challenge-panel" data-testid="challenge-running" data-check=${challenge.check ?? "liveness"} data-current=${current ?? ""}>
        <h2 tabindex="-1">
          ${current && of ? html`${t("challenge_panel.running", { number, of })}: ${taskWords(current)}` : between}
        </h2>
        <progress class="challenge-panel__progress" max="1" .value=${progress} aria-label=${t("challenge_panel.progress")}></progress>
        <p>${status(face ? "ok" : "warn", seen)}</p>
        ${steps.length > 0
          ? html`
              <ol class="challenge-panel__steps" data-testid="challenge-steps">
                ${steps.map(
                  (step) => html`<li>${taskWords(step.kind)}: ${status(KINDS[step.outcome] ?? "off", code("step", step.reason))}</li>`,
                )}
              </ol>
            `
          : nothing}
        <p class="quiet small">${icon("info")}${t(card ? "challenge_panel.card_text" : "challenge_panel.text")}</p>
        <button type="button" class="button button--secondary" data-testid="challenge-stop" ?disabled=${this.busy} @click=${() => this.#tell("stop")}>
          ${t("challenge_panel.stop")}
        </button>
      </div>
    `;
  }

  render() {
    return this.challenge ? this.#running(this.challenge) : this.#before();
  }
}
customElements.define("betpe-challenge-panel", BetpeChallengePanel);
