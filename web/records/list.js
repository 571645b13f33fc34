/** The list of sessions. Contract: list(archive, sought, onSeek) -> template; a row's link opens its record. */
import { dateTime, number, t, time } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice } from "../shared/parts.js";
import { outcomeOf } from "./words.js";

/** @param {string} session */
const href = (session) => `#session=${encodeURIComponent(session)}`;

/** @param {import("./types.js").Row} row */
const line = (row) => html`
  <tr data-testid="record-row" data-session=${row.id}>
    <td class="numbers">
      ${row.under_way ? dateTime(row.created_at) : html`<a href=${href(row.id)}>${dateTime(row.created_at)}</a>`}
    </td>
    <td>${outcomeOf(row)}</td>
    <td>${row.operator_name || "–"}</td>
    <td class="numbers">${number(row.calls)}</td>
    <td><code>${row.id}</code></td>
  </tr>
`;

/** @param {import("./types.js").CallRow[]} calls */
const goingOn = (calls) => html`
  <section class="card records__calls" aria-labelledby="calls-title">
    <h2 id="calls-title">${t("live.title")}</h2>
    <p class="quiet">${t("live.text")}</p>
    ${calls.length === 0 ? html`<p data-testid="calls-none">${t("live.none")}</p>` : nothing}
    <ul class="record__checks">
      ${calls.map(
        (call) => html`
          <li>
            <span>${call.operator_name} <span class="quiet numbers">${call.call_started_at ? time(call.call_started_at) : ""}</span></span>
            <a href="#live=${encodeURIComponent(call.id)}" data-testid="watch">${t("live.watch")}</a>
          </li>
        `,
      )}
    </ul>
  </section>
`;

/** @param {import("./archive.js").Archive} archive @param {string} sought @param {(text: string) => void} onSeek */
export function list(archive, sought, onSeek) {
  const { viewer, minutes, records } = /** @type {import("./types.js").Listing} */ (archive.listing);
  const auditor = viewer.role === "auditor";
  const shown = records.filter(({ id }) => id.startsWith(sought));
  const exact = /^[A-Za-z0-9_-]{1,64}$/.test(sought) && auditor && shown.length === 0;
  return html`
    <main class="records" data-testid="records">
      <h1 tabindex="-1">${t("records.title")}</h1>
      ${viewer.role === "supervisor" ? goingOn(archive.calls) : nothing}
      <p class="quiet">${auditor ? t("records.text.auditor") : t("records.text.own", { count: minutes })}</p>
      ${archive.failure ? html`<div role="alert">${notice("bad", archive.failure.words(), { testid: "record-failure" })}</div>` : nothing}
      ${auditor
        ? html`
            <label class="field records__seek">
              <span class="label">${t("records.seek")}</span>
              <input
                class="input"
                type="search"
                autocomplete="off"
                spellcheck="false"
                data-testid="record-seek"
                .value=${sought}
                @input=${(/** @type {Event} */ event) => onSeek(/** @type {HTMLInputElement} */ (event.target).value.trim())}
              />
            </label>
          `
        : nothing}
      ${shown.length === 0
        ? html`
            <div class="card records__none" data-testid="records-none">
              ${icon("file")}
              <p>${sought ? t("records.none_found") : auditor ? t("records.none") : t("records.none.own", { count: minutes })}</p>
              ${exact ? html`<a class="button button--secondary" href=${href(sought)}>${t("records.open")}</a>` : nothing}
            </div>
          `
        : html`
            <div class="records__frame" tabindex="0" role="region" aria-label=${t("records.title")}>
              <table class="records__table">
                <thead>
                  <tr>
                    <th scope="col">${t("records.began")}</th>
                    <th scope="col">${t("records.outcome")}</th>
                    <th scope="col">${t("leg.operator")}</th>
                    <th scope="col">${t("records.calls")}</th>
                    <th scope="col">${t("records.number")}</th>
                  </tr>
                </thead>
                <tbody>
                  ${shown.map(line)}
                </tbody>
              </table>
            </div>
          `}
    </main>
  `;
}
