/** <screen-waiting>: place and time until the talk, or until a second consultant looks. Fires "leave". */
import { t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice } from "../shared/parts.js";
import { Screen } from "./screen.js";

/** Below this a range in minutes says less than "about a minute". */
const ABOUT_A_MINUTE_S = 90;

class ScreenWaiting extends Screen {
  disconnectedCallback() {
    super.disconnectedCallback();
    if (this.journey.screen === "call") navigator.vibrate?.([200, 100, 200]);
  }

  /** @param {{low: number, high: number}} wait */
  #minutes({ low, high }) {
    if (high <= ABOUT_A_MINUTE_S) return t("waiting.minute");
    const from = Math.max(1, Math.floor(low / 60));
    const to = Math.max(from + 1, Math.ceil(high / 60));
    return t("waiting.minutes", { from, count: to });
  }

  render() {
    const queue = this.journey.snapshot?.queue;
    const second = this.journey.screen === "second-person";
    const before = Math.max(0, (queue?.position ?? 1) - 1);
    return html`
      <div class="stack">
        <h1 tabindex="-1">${t(second ? "second.title" : queue?.wait ? "waiting.title" : "waiting.title.nobody")}</h1>
        ${second ? html`<p data-testid="decision" data-outcome="referred">${t("second.lead")}</p>` : nothing}
        <div class="place card" role="status">
          <p class="place__ahead" data-testid="queue-position" data-position=${queue?.position ?? ""}>
            ${before === 0 ? t("waiting.next") : t("waiting.ahead", { count: before })}
          </p>
          ${queue?.wait
            ? html`<p class="place__time numbers" data-testid="queue-wait">${icon("clock")}<span>${this.#minutes(queue.wait)}</span></p>`
            : nothing}
          ${queue && !queue.wait
            ? html`<p class="place__time" data-testid="queue-nobody">${icon("clock")}<span>${t("waiting.nobody")}</span></p>`
            : nothing}
          ${queue?.wait ? html`<div class="calm" aria-hidden="true"><span></span></div>` : nothing}
        </div>
        <p>${t("waiting.keep")}</p>
        <section class="stack">
          <h2>${t("waiting.hand.title")}</h2>
          <ul>
            <li>${t("waiting.hand.card")}</li>
            <li>${t("waiting.hand.light")}</li>
            <li>${t("waiting.hand.questions")}</li>
            <li>${t("waiting.hand.chat")}</li>
          </ul>
        </section>
        ${notice("warn", html`<p>${t("fraud.words")}</p>`, { title: t("fraud.title") })}
        <div class="action">
          <button
            type="button"
            class="button button--secondary button--wide"
            data-testid="leave"
            @click=${() => this.dispatchEvent(new Event("leave"))}
          >
            ${t("waiting.leave")}
          </button>
        </div>
      </div>
    `;
  }
}
customElements.define("screen-waiting", ScreenWaiting);
