/**
 * What stands where there is no desk: signing in, a used link, opened elsewhere, no right, no server.
 * Contract: gate("link-invalid", {role, openHere}) -> template. Each says what happened and what to do.
 */
import "../shared/languages.js";
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { spinner } from "../shared/parts.js";

const NEW_LINK = ["link-invalid", "signed-out", "left"];
const WAITING = ["loading", "signing-in", "unreachable"];
const ICONS = /** @type {const} */ ({
  "link-invalid": "warning",
  "signed-out": "person",
  left: "tick",
  elsewhere: "info",
  "no-right": "shield",
  unreachable: "network",
});

const howToGetALink = () => html`
  <section class="gate__how">
    <h2>${t("gate.how.title")}</h2>
    <ol>
      <li>${t("gate.how.ask")}</li>
      <li>${t("gate.how.open")}</li>
    </ol>
    <p class="quiet small">${t("gate.how.admin")}</p>
    <pre class="gate__command"><code>.venv/bin/python -m server operator list
.venv/bin/python -m server operator link ID</code></pre>
  </section>
`;

/** @param {string} screen @param {{role: string, openHere: () => void, records?: boolean}} options */
export function gate(screen, { role, openHere, records = false }) {
  const texts = `gate.${screen.replace("-", "_")}`;
  const sign = ICONS[/** @type {keyof typeof ICONS} */ (screen)];
  return html`
    <header class="gate__head">
      <span class="brand">${t("product.name")}</span>
      <betpe-languages short></betpe-languages>
    </header>
    <main class="gate" data-testid="sign-in-state" data-state=${screen}>
      <div class="card gate__card stack">
        ${sign ? html`<div class="gate__sign gate__sign--${screen}">${icon(sign)}</div>` : nothing}
        <h1 tabindex="-1">${t(`${texts}.title`)}</h1>
        ${WAITING.includes(screen)
          ? spinner(t(`${texts}.text`))
          : html`<p>${t(`${texts}.text`, { role: code("role", role) })}</p>`}
        ${screen === "elsewhere"
          ? html`
              <p>${t("gate.elsewhere.if_not_you")}</p>
              <button type="button" class="button" data-testid="open-here" @click=${openHere}>
                ${t("gate.elsewhere.here")}
              </button>
            `
          : nothing}
        ${records ? html`<p><a class="button" href="records.html">${t("rest.records")}</a></p>` : nothing}
        ${NEW_LINK.includes(screen) ? howToGetALink() : nothing}
      </div>
    </main>
  `;
}
