/** <screen-end>: where the way ends or cannot go on: refused, left, expired, opened elsewhere, the server's fault. */
import { dateTime, has, t } from "../shared/i18n.js";
import { html, nothing } from "../shared/lit.js";
import { notice } from "../shared/parts.js";
import { Screen } from "./screen.js";

class ScreenEnd extends Screen {
  constructor() {
    super();
    this.timer = 0;
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearTimeout(this.timer);
  }

  /** @param {string} words @param {() => void} act @param {{testid?: string, disabled?: boolean}} [options] */
  #button(words, act, { testid = "begin-again", disabled = false } = {}) {
    return html`
      <div class="action">
        <button type="button" class="button button--main button--wide" data-testid=${testid} ?disabled=${disabled} @click=${act}>
          ${words}
        </button>
      </div>
    `;
  }

  #rejected() {
    const decision = this.journey.snapshot?.decision;
    const reason = decision?.reason_code || "other";
    const retryAt = decision?.retry_at ?? "";
    const waits = Boolean(retryAt) && new Date(retryAt).getTime() > Date.now();
    clearTimeout(this.timer);
    if (waits) this.timer = setTimeout(() => this.requestUpdate(), new Date(retryAt).getTime() - Date.now() + 500);
    const known = has(`decision.${reason}`) ? reason : "other";
    return html`
      <h1 tabindex="-1">${t("rejected.title")}</h1>
      <div data-testid="decision" data-outcome="rejected" data-reason=${reason}>
        ${notice("bad", html`<p>${t(`decision.${known}`)}</p>`)}
      </div>
      <section class="stack">
        <h2>${t("rejected.next")}</h2>
        <p>${t(`decision.${known}.next`)}</p>
        ${waits ? html`<p data-testid="retry-at">${t("rejected.retry_at", { time: dateTime(retryAt) })}</p>` : nothing}
        <p>${t("rejected.appeal")}</p>
      </section>
      ${this.#button(t("end.again"), () => this.journey.beginAgain(), { disabled: waits })}
    `;
  }

  render() {
    const { journey } = this;
    const again = () => journey.beginAgain();
    /** @type {Record<string, () => unknown>} */
    const screens = {
      rejected: () => this.#rejected(),
      ended: () => {
        const ended = journey.snapshot?.ended === "expired" ? "expired" : "abandoned";
        return html`
          <h1 tabindex="-1">${t(`end.${ended}.title`)}</h1>
          <p>${t(`end.${ended}`)}</p>
          ${this.#button(t("end.again"), again)}
        `;
      },
      elsewhere: () => html`
        <h1 tabindex="-1">${t("elsewhere.title")}</h1>
        <p>${t("elsewhere.lead")}</p>
        ${notice("warn", t("elsewhere.not_you"))}
        ${this.#button(t("elsewhere.here"), () => journey.continueHere(), { testid: "continue-here" })}
      `,
    };
    const failure = () => html`
      <h1 tabindex="-1">${t("failure.title")}</h1>
      <p role="alert" data-testid="failure">${journey.failure?.words() ?? t("error.unknown")}</p>
      <p>${t("failure.lead")}</p>
      ${this.#button(t("common.try_again"), () => void journey.load(), { testid: "try-again" })}
    `;
    return html`<div class="stack">${(screens[journey.screen] ?? failure)()}</div>`;
  }
}
customElements.define("screen-end", ScreenEnd);
