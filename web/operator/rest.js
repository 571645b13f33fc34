/** <betpe-rest>: between calls. The queue, the own day, Ready or Pause with a reason, the own camera. Nothing blinks. */
import { BetpeElement } from "../shared/element.js";
import { clock, code, number, t, time } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice, spinner } from "../shared/parts.js";
import { chimeEnabled, enableChime } from "./chime.js";
import { ownVideo } from "./own-video.js";

class BetpeRest extends BetpeElement {
  static properties = {
    desk: { attribute: false },
    talk: { attribute: false },
    snapshot: { attribute: false },
    revision: { attribute: false },
    reason: { state: true },
  };

  constructor() {
    super();
    /** @type {import("./desk.js").Desk} */
    this.desk = /** @type {any} */ (null);
    /** @type {import("./conversation.js").Conversation} */
    this.talk = /** @type {any} */ (null);
    /** @type {import("./types.js").Snapshot} */
    this.snapshot = /** @type {any} */ (null);
    this.revision = 0;
    this.reason = "break";
  }

  async #ready() {
    if (await this.talk.startOwn()) await this.desk.setAvailability("ready");
  }

  #availability() {
    const { operator, queue } = this.snapshot;
    const since = operator.since ? time(operator.since) : "";
    if (operator.availability === "ready") {
      return html`
        <div class="rest__state rest__state--ready">
          <h1 tabindex="-1">${icon("tick")}${t("rest.ready.title")}</h1>
          <p>${queue.waiting === 0 ? t("rest.ready.nobody") : t("rest.ready.text")}</p>
          <p class="quiet">${t("rest.ready.since", { time: since })}</p>
        </div>
        <div class="rest__choice">
          <label class="field">
            <span class="label">${t("rest.pause.reason")}</span>
            <select class="input" data-testid="pause-reason" @change=${this.#choose}>
              ${(this.desk.service?.pause_reasons ?? []).map(
                (each) => html`<option value=${each} ?selected=${each === this.reason}>${code("pause_reason", each)}</option>`,
              )}
            </select>
          </label>
          <button
            type="button"
            class="button button--secondary button--main"
            data-testid="pause"
            ?disabled=${this.desk.busy.has("availability")}
            @click=${() => void this.desk.setAvailability("paused", this.reason)}
          >
            ${t("rest.pause.button")}
          </button>
        </div>
      `;
    }
    const reason = code("pause_reason", operator.pause_reason);
    return html`
      <div class="rest__state">
        <h1 tabindex="-1">${t("rest.paused.title")}</h1>
        <p>${t("rest.paused.text")}</p>
        ${operator.pause_reason ? html`<p class="quiet">${t("rest.paused.reason", { reason, time: since })}</p>` : nothing}
      </div>
      <div class="rest__choice">
        <button
          type="button"
          class="button button--main"
          data-testid="ready"
          ?disabled=${this.desk.busy.has("availability") || this.talk.own.status === "starting"}
          @click=${this.#ready}
        >
          ${t("rest.ready.button")}
        </button>
        <p class="quiet small">${t("rest.ready.hint")}</p>
      </div>
    `;
  }

  /** @param {Event} event */
  #choose(event) {
    this.reason = /** @type {HTMLSelectElement} */ (event.target).value;
  }

  #devices() {
    const { own } = this.talk;
    return html`
      <section class="card rest__devices" aria-labelledby="devices-title">
        <h2 id="devices-title">${t("rest.devices")}</h2>
        ${own.status === "fault" && own.fault
          ? html`
              ${notice("bad", own.fault.words(), { title: t("media.own_fault"), testid: "device-fault" })}
              ${this.talk.pausedForFault ? html`<p>${t("rest.devices.paused_for_fault")}</p>` : nothing}
              <button type="button" class="button button--secondary" data-testid="device-retry" @click=${() => this.talk.startOwn()}>
                ${t("common.try_again")}
              </button>
            `
          : nothing}
        ${own.status === "starting" ? spinner(t("rest.devices.starting")) : nothing}
        ${own.status === "off" ? html`<p class="quiet">${t("rest.devices.off")}</p>` : nothing}
        ${own.status === "on"
          ? html`<div class="rest__self">${ownVideo(own.stream)}</div><p class="quiet">${t("rest.devices.good")}</p>`
          : nothing}
        <label class="tick">
          <input
            type="checkbox"
            .checked=${chimeEnabled()}
            @change=${(/** @type {Event} */ event) => enableChime(/** @type {HTMLInputElement} */ (event.target).checked)}
          />
          <span>${t("rest.chime")}</span>
        </label>
      </section>
    `;
  }

  render() {
    const { queue, today } = this.snapshot;
    const failure = this.desk.failure;
    return html`
      <main class="rest">
        <section class="card rest__work">
          ${failure ? html`<div role="alert">${notice("bad", failure.error.words())}</div>` : nothing}
          ${this.#availability()}
        </section>
        ${this.#devices()}
        <section class="card rest__figures" aria-labelledby="queue-title">
          <h2 id="queue-title">${t("rest.queue")}</h2>
          <dl class="numbers">
            <div><dt>${t("rest.queue.waiting")}</dt><dd>${number(queue.waiting)}</dd></div>
            <div><dt>${t("rest.queue.longest")}</dt><dd>${clock(queue.longest_seconds)}</dd></div>
            <div><dt>${t("rest.queue.operators")}</dt><dd>${number(queue.operators)}</dd></div>
          </dl>
        </section>
        <section class="card rest__figures" aria-labelledby="day-title">
          <h2 id="day-title">${t("rest.day")}</h2>
          <dl class="numbers">
            <div><dt>${t("rest.day.calls")}</dt><dd>${number(today.calls)}</dd></div>
            <div><dt>${t("rest.day.approved")}</dt><dd>${number(today.approved)}</dd></div>
            <div><dt>${t("rest.day.rejected")}</dt><dd>${number(today.rejected)}</dd></div>
            <div><dt>${t("rest.day.referred")}</dt><dd>${number(today.referred)}</dd></div>
            <div><dt>${t("rest.day.mean")}</dt><dd>${today.mean_seconds === null ? "–" : clock(today.mean_seconds)}</dd></div>
          </dl>
          <p class="rest__more">
            <a href="records.html" target="_blank" rel="noopener" data-testid="records-link">${t("rest.records")}</a>
          </p>
        </section>
      </main>
    `;
  }
}
customElements.define("betpe-rest", BetpeRest);
