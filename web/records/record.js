/** <betpe-record .record=${record}>: one session as it was kept: its recording, what was found and decided, its proof. */
import { BetpeElement } from "../shared/element.js";
import { clock, code, dateTime, number, t } from "../shared/i18n.js";
import { html, nothing } from "../shared/lit.js";
import { notice, status } from "../shared/parts.js";
import { checkName, outcomeStatus, reasonWords } from "../operator/words.js";
import { pictureUrl } from "./archive.js";
import { outcomeOf, profileWords, verdictStatus } from "./words.js";
import "./player.js";

const ATTRIBUTES = ["surname", "given_names", "patronymic", "iin", "birth_date", "document_number", "expiry_date"];
const PICTURES = ["portrait", "front", "back"];
const SUSPECT = ["damaged", "foreign", "missing"];

class BetpeRecord extends BetpeElement {
  static properties = { record: { attribute: false } };

  constructor() {
    super();
    /** @type {import("./types.js").RecordView} */
    this.record = /** @type {any} */ (null);
  }

  /** Said first, and loud: a record that cannot be relied on. */
  #doubts() {
    const { chain, segments } = this.record;
    const suspect = segments.filter(({ verdict }) => SUSPECT.includes(verdict));
    return html`
      ${chain.verified ? nothing : notice("bad", t("proof.chain_broken", { count: chain.first_fault ?? 0 }), { testid: "chain-broken" })}
      ${suspect.length === 0
        ? nothing
        : notice(
            "bad",
            html`<ul>
              ${suspect.map(({ leg, number: n, verdict }) => html`<li>${code("leg", leg)}, ${number(n)}: ${code("verdict", verdict)}</li>`)}
            </ul>`,
            { title: t("proof.doubt"), testid: "recording-doubt" },
          )}
    `;
  }

  #person() {
    const { session, images } = this.record;
    const known = ATTRIBUTES.filter((name) => session.attributes[name]);
    return html`
      <section class="card" aria-labelledby="person-title">
        <h2 id="person-title">${t("case.person")}</h2>
        ${known.length === 0 ? html`<p class="quiet">${t("record.no_attributes")}</p>` : nothing}
        <dl class="facts">
          ${known.map((name) => html`<div><dt>${t(`attribute.${name}`)}</dt><dd>${session.corrections[name] ?? session.attributes[name]}</dd></div>`)}
          <div><dt>${t("record.purpose")}</dt><dd>${code("case.purpose", session.purpose)}</dd></div>
        </dl>
        <div class="record__pictures">
          ${PICTURES.filter((name) => images[name]).map(
            (name) => html`<img src=${pictureUrl(session.id, images[name])} alt=${t(`picture.${name}`)} loading="lazy" />`,
          )}
        </div>
        ${this.#interpreters()}
      </section>
    `;
  }

  #interpreters() {
    const { interpreters } = this.record;
    if (interpreters.length === 0) return nothing;
    return html`
      <h3>${t("record.interpreters")}</h3>
      ${interpreters.map(
        (one) => html`
          <p class="record__decision" data-testid="record-interpreter">
            <b>${one.name}</b> ${code("interpreted", one.language)}
            <span class="quiet">${one.invited_by}, ${dateTime(one.invited_at)}</span>
            ${one.agreed ? status("ok", t("record.agreed")) : status("off", t("record.not_agreed"))}
          </p>
        `,
      )}
    `;
  }

  #decisions() {
    const { decisions, certificates } = this.record;
    return html`
      <section class="card" aria-labelledby="decisions-title">
        <h2 id="decisions-title">${t("record.decisions")}</h2>
        ${decisions.length === 0 ? html`<p class="quiet">${t("records.no_decision")}</p>` : nothing}
        ${decisions.map(
          (one) => html`
            <p class="record__decision">
              <b>${code("decision", one.outcome)}</b>${one.reason_code ? html`: ${code("decision_reason", one.reason_code)}` : nothing}
              <span class="quiet">${one.operator_name}, ${dateTime(one.made_at)}</span>
              ${one.override_reason ? html`<span>${one.override_reason}</span>` : nothing}
              ${one.note ? html`<span>${one.note}</span>` : nothing}
            </p>
          `,
        )}
        <h3>${t("record.certificates")}</h3>
        ${certificates.length === 0 ? html`<p class="quiet">${t("record.no_certificates")}</p>` : nothing}
        ${certificates.map(
          (one) => html`
            <p class="record__decision">
              <b>${profileWords(one.profile)}</b> <code>${one.serial_number}</code>
              ${one.revoked_at
                ? status("bad", t("record.revoked", { at: dateTime(one.revoked_at) }))
                : html`<span class="quiet">${t("record.until", { at: dateTime(one.not_after) })}</span>`}
            </p>
          `,
        )}
      </section>
    `;
  }

  #checks() {
    const { checks } = this.record;
    return html`
      <section class="card" aria-labelledby="checks-title">
        <h2 id="checks-title">${t("checks.title")}</h2>
        ${checks.length === 0 ? html`<p class="quiet">${t("record.no_checks")}</p>` : nothing}
        <ul class="record__checks">
          ${checks.map(
            (row) => html`
              <li>
                <span>${checkName(row.check)}</span>
                ${outcomeStatus(row.outcome)}
                ${row.reasons.length > 0 && row.outcome !== "passed" ? html`<span class="quiet small">${row.reasons.map(reasonWords).join(" ")}</span>` : nothing}
              </li>
            `,
          )}
        </ul>
      </section>
    `;
  }

  #proof() {
    const { chain, segments } = this.record;
    return html`
      <section class="card" aria-labelledby="proof-title">
        <h2 id="proof-title">${t("proof.title")}</h2>
        <p>
          ${chain.verified
            ? status("ok", t("proof.chain", { count: chain.events }))
            : status("bad", t("proof.chain_broken", { count: chain.first_fault ?? 0 }))}
        </p>
        ${segments.length === 0 ? html`<p class="quiet">${t("player.nothing")}</p>` : nothing}
        <ul class="record__checks">
          ${segments.map(
            (segment) => html`
              <li data-testid="segment" data-verdict=${segment.verdict}>
                <span>${code("leg", segment.leg)}, ${number(segment.number)} <span class="quiet numbers">${clock(segment.seconds)}</span></span>
                ${verdictStatus(segment.verdict)}
              </li>
            `,
          )}
        </ul>
        <p class="quiet small">${t("proof.seen")}</p>
      </section>
    `;
  }

  render() {
    const { session } = this.record;
    return html`
      <main class="record" data-testid="record">
        <div class="record__head">
          <h1 tabindex="-1">${t("record.title", { at: dateTime(session.created_at) })}</h1>
          ${outcomeOf(session)}
          <code class="quiet">${session.id}</code>
        </div>
        ${this.#doubts()}
        <betpe-player .record=${this.record}></betpe-player>
        <div class="record__parts">${this.#person()} ${this.#decisions()} ${this.#checks()} ${this.#proof()}</div>
      </main>
    `;
  }
}
customElements.define("betpe-record", BetpeRecord);
