/**
 * The list of checks. What disagrees stands out; what agrees is one quiet line; each opens with its reasons, pictures,
 * model, version and figures. Contract: checks(case, desk, open) -> template; open({sha256, words}) shows a picture large.
 */
import { code, date, dateTime, has, number, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing, repeat } from "../shared/lit.js";
import { pictureName, thumbnail } from "./pictures.js";
import { checkName, outcomeStatus, reasonWords } from "./words.js";

/** dlib's answer only confirms or contradicts: it has no score of its own to show (verification/contract.py). */
const WITHOUT_SCORE = ["face_second_opinion"];
/** A check that is not in the policy stands after the one it belongs to; else at the end. @type {Record<string, string>} */
const BESIDE = { face_second_opinion: "face_match" };

/** The applicant's own corrections: without any there is nothing to check. */
const ONLY_WHERE_IT_APPLIES = ["typed_text"];

/** @typedef {import("./types.js").Check} Check */
/** @typedef {{name: string, outcome: import("./types.js").Outcome, effect: string, reasons: string[], remedy: string, check: Check | null}} Row */

/** One row per check: those of the policy in its order, then what else has run. @param {import("./types.js").Case} hand */
export function checkRows(hand) {
  const parts = hand.recommendation.parts.filter((part) => !part.check.startsWith("step_"));
  /** @type {Row[]} */
  const rows = parts.map(({ check: name, outcome, effect, reasons, remedy }) => {
    const check = hand.checks.find((one) => one.check === name) ?? null;
    return { name, outcome, effect, reasons: check?.reasons ?? reasons, remedy, check };
  });
  for (const check of hand.checks) {
    if (rows.some((row) => row.name === check.check)) continue;
    const { outcome, reasons } = check;
    const row = { name: check.check, outcome, effect: "supports", reasons, remedy: "", check };
    const after = rows.findIndex(({ name }) => name === BESIDE[check.check]);
    rows.splice(after < 0 ? rows.length : after + 1, 0, row);
  }
  return rows.filter((row) => row.check || !ONLY_WHERE_IT_APPLIES.includes(row.name));
}

/** Values that are codes of ours, by the name of their figure. @type {Record<string, (value: string) => string>} */
const CODED = {
  kind: (value) => code("challenge_task", value),
  outcome: (value) => code("outcome", value),
  feature_kind: (value) => code("feature_kind", value),
  answer: (value) => code("feature_answer", value || "none"),
  reason: (value) => (has(`step.${value}`) ? t(`step.${value}`) : reasonWords(value)),
  expiry_date: (value) => date(value),
  today: (value) => date(value),
  sign: (value) => (has(`reason.sign_${value}`) ? t(`reason.sign_${value}`) : value),
};
/** Figures for programs and the record, which say nothing to a consultant. */
const NOT_SHOWN = ["model", "against"];

/** @param {unknown} value @param {string} [name] @returns {string} */
function figure(value, name = "") {
  if (typeof value === "string" && Object.hasOwn(CODED, name)) return CODED[name](value);
  if (typeof value === "number") return number(value, { maximumFractionDigits: 3 });
  if (typeof value === "boolean") return t(value ? "common.yes" : "common.no");
  if (Array.isArray(value)) return value.map((one) => figure(one)).join(", ");
  if (value && typeof value === "object") {
    return Object.entries(value)
      .map(([name, inner]) => `${figureName(name)} ${figure(inner, name)}`)
      .join("; ");
  }
  return value === null || value === undefined ? "–" : String(value);
}

/** @param {string} name */
const figureName = (name) => (has(`figure.${name}`) ? t(`figure.${name}`) : name.replaceAll("_", " "));

/** @param {unknown} value @returns {value is Record<string, unknown>[]} */
const isTable = (value) =>
  Array.isArray(value) && value.length > 0 && value.every((one) => one && typeof one === "object" && !Array.isArray(one));

/** Figures of several like things, a row each. @param {Record<string, unknown>[]} things */
function table(things) {
  const names = [...new Set(things.flatMap((thing) => Object.keys(thing)))].filter((name) => !NOT_SHOWN.includes(name));
  return html`
    <table class="figures__table">
      <thead>
        <tr>${names.map((name) => html`<th scope="col">${figureName(name)}</th>`)}</tr>
      </thead>
      <tbody>
        ${things.map((thing) => html`<tr>${names.map((name) => html`<td>${figure(thing[name], name)}</td>`)}</tr>`)}
      </tbody>
    </table>
  `;
}

/** One figure of the details; what is not a single value gets the whole width. @param {[string, unknown]} entry */
function detail([name, value]) {
  const wide = typeof value === "object" && value !== null && !(Array.isArray(value) && !isTable(value));
  if (!wide) return line(figureName(name), figure(value, name));
  return html`
    <div class="figures__wide">
      <dt>${figureName(name)}</dt>
      <dd>${isTable(value) ? table(value) : figure(value, name)}</dd>
    </div>
  `;
}

/** @param {string} term @param {unknown} value */
const line = (term, value) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`;

/** @param {Check} check */
const figures = (check) => html`
  <dl class="figures numbers">
    ${check.score !== null && !WITHOUT_SCORE.includes(check.check)
      ? line(t("check.score"), `${number(check.score, { maximumFractionDigits: 3 })}${check.threshold === null ? "" : ` (${t("match.threshold", { threshold: number(check.threshold, { maximumFractionDigits: 3 }) })})`}`)
      : nothing}
    ${check.fmr && !WITHOUT_SCORE.includes(check.check)
      ? line(t("check.fmr"), t("check.one_in", { count: number(Math.round(1 / check.fmr)) }))
      : nothing}
    ${line(t("check.model"), check.model || t("check.by_rule"))}
    ${check.version ? line(t("check.version"), check.version) : nothing}
    ${line(t("check.took"), t("check.milliseconds", { count: Math.round(check.milliseconds) }))}
    ${line(t("check.at"), dateTime(check.at))}
    ${Object.entries(check.details).map(detail)}
  </dl>
`;

/** @param {Check[]} earlier oldest first */
const earlierResults = (earlier) =>
  earlier.length === 0
    ? nothing
    : html`
        <p class="check__part-title">${t("check.earlier")}</p>
        <ul class="check__earlier numbers">
          ${earlier.map(
            (check) => html`
              <li>
                ${dateTime(check.at)}: ${code("outcome", check.outcome)}${check.score === null || WITHOUT_SCORE.includes(check.check)
                  ? nothing
                  : html`, ${number(check.score, { maximumFractionDigits: 3 })} (${t("match.threshold", { threshold: check.threshold ?? "–" })})`}
              </li>
            `,
          )}
        </ul>
      `;

/**
 * @param {Row} row @param {Check[]} earlier @param {import("./desk.js").Desk} desk
 * @param {(picture: import("./pictures.js").Shown) => void} open
 */
function inside({ check, reasons, remedy }, earlier, desk, open) {
  return html`
    <div class="check__inside">
      ${check === null ? html`<p>${t("check.not_run.text")}</p>` : nothing}
      ${reasons.length > 0
        ? html`<ul class="check__reasons">${reasons.map((reason) => html`<li>${reasonWords(reason)}</li>`)}</ul>`
        : check
          ? html`<p class="quiet">${t("check.no_reasons")}</p>`
          : nothing}
      ${remedy ? html`<p class="check__remedy">${icon("info")}<span>${code("remedy", remedy)}</span></p>` : nothing}
      ${check?.check === "registry" && check.outcome === "inconclusive"
        ? html`<button type="button" class="button button--secondary check__again" data-testid="ask-registry" ?disabled=${desk.busy.has("registry")} @click=${() => desk.run("registry", "POST", "case/registry")}>${t("check.registry.again")}</button>`
        : nothing}
      ${check && Object.keys(check.images).length > 0
        ? html`<div class="thumbnails">${Object.entries(check.images).map(([name, sha256]) => thumbnail(sha256, pictureName(name), open))}</div>`
        : nothing}
      ${check ? figures(check) : nothing} ${earlierResults(earlier)}
    </div>
  `;
}

/**
 * @param {Row} row @param {import("./types.js").Case} hand @param {import("./desk.js").Desk} desk
 * @param {(picture: import("./pictures.js").Shown) => void} open
 */
function checkRow(row, hand, desk, open) {
  const history = hand.history.filter((one) => one.check === row.name && one.at !== row.check?.at);
  const quiet = row.outcome === "passed";
  return html`
    <li>
      <details class="check check--${row.outcome}" data-testid="check-${row.name}" data-outcome=${row.outcome} data-effect=${row.effect}>
        <summary>
          <span class="check__name">${checkName(row.name)}</span>
          ${outcomeStatus(row.outcome)}
          ${quiet || row.reasons.length === 0 ? nothing : html`<span class="check__first">${reasonWords(row.reasons[0])}</span>`}
          ${row.effect === "supports" ? nothing : html`<span class="check__effect">${code("effect", row.effect)}</span>`}
        </summary>
        ${inside(row, history, desk, open)}
      </details>
    </li>
  `;
}

/** What stands in the way comes first, then what wants a look: the list is longer than its place. @param {Row} row */
const urgency = ({ outcome, effect }) => {
  if (outcome === "failed" || effect === "blocks") return 0;
  return outcome === "inconclusive" || effect !== "supports" ? 1 : 2;
};

/**
 * @param {import("./types.js").Case} hand @param {import("./desk.js").Desk} desk
 * @param {(picture: import("./pictures.js").Shown) => void} open
 */
export function checks(hand, desk, open) {
  const rows = checkRows(hand).sort((one, other) => urgency(one) - urgency(other));
  const passed = rows.filter((row) => row.outcome === "passed").length;
  return html`
    <section class="checks" aria-labelledby="checks-title">
      <h2 id="checks-title" class="part-title">
        ${icon("shield")}${t("checks.title")}
        <span class="part-title__more">${t("checks.summary", { passed, open: rows.length - passed })}</span>
      </h2>
      <ul class="checks__list">
        ${repeat(
          rows,
          (row) => row.name,
          (row) => checkRow(row, hand, desk, open),
        )}
      </ul>
    </section>
  `;
}
