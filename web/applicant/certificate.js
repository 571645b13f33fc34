/**
 * What the citizen is told of the certificate: makingWords(step, resumable), certificateWords(view),
 * keepWords(), chainLink() are Lit templates.
 */
import { date, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice, status } from "../shared/parts.js";

/** What Issuance says it is doing, in order. */
const STEPS = /** @type {const} */ (["keys", "protecting", "requesting", "packing"]);

/** @param {import("./issuance.js").IssuanceView | null} view */
export function certificateWords(view) {
  const { subject_text: subject = {}, not_after: until = "", demonstration = false } = view ?? {};
  const name = ["surname", "given_names", "patronymic"].map((part) => subject[part]).filter(Boolean).join(" ");
  return html`
    <dl class="rows">
      <div class="row">
        <dt>${t("certificate.name")}</dt>
        <dd data-testid="certificate-subject">${name}</dd>
      </div>
      <div class="row">
        <dt>${t("attribute.iin")}</dt>
        <dd class="numbers">${subject.iin}</dd>
      </div>
      <div class="row">
        <dt>${t("certificate.until")}</dt>
        <dd data-testid="certificate-until">${until ? date(until) : ""}</dd>
      </div>
      <div class="row">
        <dt>${t("certificate.for")}</dt>
        <dd>${t("certificate.for.words")}</dd>
      </div>
    </dl>
    ${demonstration ? notice("info", t("demo.banner")) : nothing}
  `;
}

export function chainLink() {
  return html`<a class="button button--secondary button--wide" href="/ca/chain.pem" download="chain.pem" data-testid="save-chain">
    ${icon("download")}${t("certificate.save_chain")}
  </a>`;
}

export function keepWords() {
  return html`
    <section class="stack">
      <h2>${t("certificate.keep.title")}</h2>
      <ul>
        <li>${t("certificate.keep.copy")}</li>
        <li>${t("certificate.keep.nobody")}</li>
        <li>${t("certificate.keep.use")}</li>
        <li>${t("certificate.keep.revoke")}</li>
      </ul>
    </section>
  `;
}

/** @param {string} step @param {boolean} resumable */
export function makingWords(step, resumable) {
  const at = STEPS.indexOf(/** @type {typeof STEPS[number]} */ (step));
  return html`
    <div class="stack">
      <h1 tabindex="-1">${t("making.title")}</h1>
      <p>${t("making.lead")}</p>
      <div role="status">
        <ol class="ticks">
          ${STEPS.map(
            (each, i) => html`
              <li data-step=${each}>
                ${i < at
                  ? status("ok", t(`making.${each}`))
                  : i === at
                    ? html`<span class="status"><span class="spinner__wheel" aria-hidden="true"></span><span>${t(`making.${each}`)}</span></span>`
                    : html`<span class="status status--wait quiet">${icon("clock")}<span>${t(`making.${each}`)}</span></span>`}
              </li>
            `,
          )}
        </ol>
      </div>
      ${resumable ? nothing : notice("warn", t("making.stay"))}
    </div>
  `;
}
