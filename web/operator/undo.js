/**
 * <betpe-undo>: the decision that was made and the seconds in which it can be taken back.
 * Contract: .desk, .decision. The seconds run on this page's clock from when the page first saw the decision, so that
 * a wrong clock on this computer does not matter; the server alone decides what is still in time.
 */
import { BetpeElement } from "../shared/element.js";
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { announce } from "../shared/parts.js";
import { label } from "./keys.js";

const TICK_MS = 100;
const ICONS = /** @type {const} */ ({ approve: "tick", reject: "cross", refer: "person" });

class BetpeUndo extends BetpeElement {
  static properties = { desk: { attribute: false }, decision: { attribute: false }, left: { state: true } };

  constructor() {
    super();
    /** @type {import("./desk.js").Desk} */
    this.desk = /** @type {any} */ (null);
    /** @type {import("./types.js").Decision} */
    this.decision = /** @type {any} */ (null);
    this.left = 0;
    this.seen = { made: "", at: 0 };
    this.timer = 0;
  }

  get seconds() {
    return Math.max(0, (Date.parse(this.decision.seals_at) - Date.parse(this.decision.made_at)) / 1000);
  }

  connectedCallback() {
    super.connectedCallback();
    this.timer = setInterval(() => this.#tick(), TICK_MS);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.timer);
  }

  willUpdate() {
    if (this.seen.made === this.decision.made_at) return;
    this.seen = { made: this.decision.made_at, at: performance.now() };
    this.left = this.seconds;
    const seconds = Math.ceil(this.seconds);
    announce(`${code("decision", this.decision.outcome)}. ${t("undo.seals_in", { count: seconds })} ${t("undo.button")}: Z`);
  }

  #tick() {
    this.left = Math.max(0, this.seconds - (performance.now() - this.seen.at) / 1000);
  }

  render() {
    const { outcome, reason_code: reason } = this.decision;
    const whole = Math.ceil(this.left);
    return html`
      <div class="undo undo--${outcome}" data-testid="deciding" data-outcome=${outcome}>
        <span class="undo__sign">${icon(ICONS[outcome])}</span>
        <div class="undo__words">
          <p><b>${code("decision", outcome)}</b>${reason ? html`: ${code("decision_reason", reason)}` : nothing}</p>
          <p class="numbers">${whole > 0 ? t("undo.seals_in", { count: whole }) : t("undo.sealing")}</p>
        </div>
        <progress class="undo__time" max=${this.seconds} .value=${this.left} aria-hidden="true"></progress>
        <button
          type="button"
          class="button button--main undo__button"
          aria-keyshortcuts="Z"
          data-testid="undo"
          ?disabled=${this.desk.busy.has("undo")}
          @click=${() => void this.desk.run("undo", "POST", "case/decision/undo")}
        >
          ${t("undo.button")}<kbd class="key" aria-hidden="true">${label("undo")}</kbd>
        </button>
      </div>
    `;
  }
}
customElements.define("betpe-undo", BetpeUndo);
