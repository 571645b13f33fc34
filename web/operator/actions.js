/**
 * The line of actions under the call. Approve stands there only when the policy allows it; otherwise its place says why
 * not, and which step would change it. Contract: actions(view) -> template; blockers(case) -> what stands in the way,
 * most telling first.
 */
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { label } from "./keys.js";
import { checkName } from "./words.js";

/** What can hardly be mended goes first: it decides what to do; what is simply still to do goes last. */
const ORDER = ["failed", "inconclusive", "not_run"];

/** @typedef {{title: string, remedy: string, outcome: string}} Blocker */

/** @param {import("./types.js").Case} hand @returns {Blocker[]} */
export function blockers(hand) {
  const parts = hand.recommendation.parts.filter((part) => part.effect === "blocks");
  const steps = parts.filter((part) => part.check.startsWith("step_"));
  const found = parts
    .filter((part) => !part.check.startsWith("step_"))
    .sort((one, other) => ORDER.indexOf(one.outcome) - ORDER.indexOf(other.outcome))
    .map((part) => ({
      title: t("refused.part", { check: checkName(part.check), outcome: code("outcome", part.outcome).toLowerCase() }),
      remedy: remedyWords(part),
      outcome: part.outcome,
    }));
  if (steps.length > 0) {
    const title = t("refused.steps", { count: steps.length });
    found.push({ title, remedy: t("remedy.finish_step"), outcome: "not_run" });
  }
  return found;
}

/** @param {import("./types.js").Part} part */
function remedyWords(part) {
  if (part.remedy === "compare_again" && part.outcome === "not_run") return t("remedy.compare_first");
  return code("remedy", part.remedy);
}

/** @param {import("./types.js").Case} hand */
function refused(hand) {
  const [first, ...more] = blockers(hand);
  if (!first) return nothing;
  const hopeless = first.outcome === "failed";
  return html`
    <div class="refused ${hopeless ? "refused--final" : ""}" data-testid="approve-refused">
      ${icon(hopeless ? "cross" : "info")}
      <div class="refused__words">
        <p><b>${t(hopeless ? "refused.final" : "refused.title")}.</b> ${first.title}.</p>
        <p class="small">${first.remedy}</p>
      </div>
      ${more.length > 0
        ? html`
            <details class="refused__more">
              <summary>${t("refused.more", { count: more.length })}</summary>
              <ul>
                ${more.map(({ title, remedy }) => html`<li><b>${title}.</b> ${remedy}</li>`)}
              </ul>
            </details>
          `
        : nothing}
    </div>
  `;
}

/**
 * @typedef {object} View
 * @property {import("./types.js").Case} hand
 * @property {Set<string>} busy
 * @property {boolean} online
 * @property {() => void} compare
 * @property {() => void} capture
 * @property {() => void} challenge
 * @property {() => void} refer
 * @property {() => void} reject
 * @property {() => void} approve
 */

/** @param {View} view */
function approval(view) {
  const { approval: allowed } = view.hand.recommendation;
  if (allowed === "refused") return refused(view.hand);
  const live = isLive(view);
  return html`
    <button
      type="button"
      class="button button--main action action--approve"
      aria-keyshortcuts="A"
      data-testid="approve"
      ?disabled=${!live || view.busy.has("decision")}
      @click=${view.approve}
    >
      ${icon("tick")}<span>${t(allowed === "allowed" ? "actions.approve" : "actions.approve_with_reason")}</span>
      <kbd class="key" aria-hidden="true">${label("approve")}</kbd>
    </button>
  `;
}

/** @param {View} view */
const isLive = ({ hand, online }) => online && (hand.state === "in_call" || hand.state === "suspended");

/**
 * @param {string} testid @param {keyof typeof import("./keys.js").KEYS} key @param {unknown} words
 * @param {{disabled: boolean, run: () => void, kind?: string}} options
 */
const action = (testid, key, words, { disabled, run, kind = "button--secondary" }) => html`
  <button
    type="button"
    class="button action ${kind}"
    aria-keyshortcuts=${label(key)}
    data-testid=${testid}
    ?disabled=${disabled}
    @click=${run}
  >
    <span>${words}</span><kbd class="key" aria-hidden="true">${label(key)}</kbd>
  </button>
`;

/** @param {View} view */
export function actions(view) {
  const { hand, busy } = view;
  const live = isLive(view);
  const seen = live && hand.state === "in_call";
  const comparing = busy.has("compare");
  const capturing = busy.has("capture");
  const running = Boolean(hand.challenge);
  return html`
    <div class="actions__tools">
      ${action("compare", "compare", t(comparing ? "actions.comparing" : "actions.compare"), {
        disabled: !seen || comparing || running,
        run: view.compare,
      })}
      ${action("challenge", "challenge", t("actions.challenge"), { disabled: !seen || comparing, run: view.challenge })}
      ${action("capture", "capture", t(capturing ? "actions.capturing" : "actions.capture"), {
        disabled: !seen || capturing,
        run: view.capture,
      })}
    </div>
    <div class="actions__no">
      ${action("refer", "refer", t("actions.refer"), { disabled: !live, run: view.refer })}
      ${action("reject", "reject", t("actions.reject"), { disabled: !live, run: view.reject, kind: "action--reject" })}
    </div>
    <div class="actions__yes">${approval(view)}</div>
  `;
}
