/**
 * The line at the top of the desk: work state, queue, own day, language, who is signed in.
 * Contract: header(desk, snapshot, service, screen, onHelp) -> template.
 */
import "../shared/languages.js";
import { clock, code, number, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { status } from "../shared/parts.js";
import { label } from "./keys.js";

/**
 * In a call the list says what comes after it; between calls the page itself has the buttons.
 * @param {import("./desk.js").Desk} desk
 * @param {import("./types.js").Snapshot} snapshot
 * @param {import("./types.js").Service} service
 */
function afterCall(desk, snapshot, service) {
  const { availability, pause_reason: reason } = snapshot.operator;
  const chosen = availability === "ready" ? "ready" : reason;
  const choose = (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLSelectElement} */ (event.target);
    void (value === "ready" ? desk.setAvailability("ready") : desk.setAvailability("paused", value));
  };
  return html`
    <label class="after-call">
      <span class="quiet small">${t("header.after_call")}</span>
      <select class="after-call__list" data-testid="after-call" ?disabled=${desk.busy.has("availability")} @change=${choose}>
        <option value="ready" ?selected=${chosen === "ready"}>${t("header.ready_next")}</option>
        ${service.pause_reasons.map(
          (each) => html`
            <option value=${each} ?selected=${chosen === each}>
              ${pauseWords(each)}
            </option>
          `,
        )}
      </select>
    </label>
  `;
}

/** @param {string} reason empty where nobody chose one: who has just signed in */
const pauseWords = (reason) =>
  reason ? t("header.pause_because", { reason: code("pause_reason", reason) }) : t("rest.paused.title");

/** @param {import("./types.js").Snapshot} snapshot */
const availability = ({ operator }) =>
  operator.availability === "ready"
    ? status("ok", t("rest.ready.title"))
    : status("off", pauseWords(operator.pause_reason));

/**
 * @param {import("./desk.js").Desk} desk
 * @param {import("./types.js").Snapshot} snapshot
 * @param {import("./types.js").Service} service
 * @param {string} screen
 * @param {() => void} onHelp
 */
export const header = (desk, snapshot, service, screen, onHelp) => html`
  <header class="top">
    <span class="brand">${t("product.name")}</span>
    <div class="top__work" role="group" aria-label=${t("header.label")}>
      ${screen === "rest" ? availability(snapshot) : afterCall(desk, snapshot, service)}
    </div>
    <dl class="top__figures numbers">
      <div><dt>${t("header.waiting")}</dt><dd data-testid="queue-waiting">${number(snapshot.queue.waiting)}</dd></div>
      <div><dt>${t("header.longest")}</dt><dd>${clock(snapshot.queue.longest_seconds)}</dd></div>
      <div><dt>${t("header.today")}</dt><dd data-testid="today-calls">${number(snapshot.today.calls)}</dd></div>
    </dl>
    <div class="top__person">
      ${screen === "call"
        ? html`
            <button type="button" class="button button--plain top__keys" aria-keyshortcuts="K" data-testid="keys" @click=${onHelp}>
              ${icon("help")}<span>${t("header.keys")}</span><kbd class="key" aria-hidden="true">${label("help")}</kbd>
            </button>
          `
        : nothing}
      <betpe-languages short></betpe-languages>
      <span class="top__name">
        ${icon("person")}
        <span><b data-testid="operator-name">${snapshot.operator.name}</b><span class="quiet">${code("role", snapshot.operator.role)}</span></span>
      </span>
      ${screen === "rest"
        ? html`
            <button
              type="button"
              class="button button--secondary"
              data-testid="sign-out"
              ?disabled=${desk.busy.has("sign_out")}
              @click=${() => void desk.signOut()}
            >
              ${t("header.sign_out")}
            </button>
          `
        : nothing}
    </div>
  </header>
`;
