/** Marks, outcomes and verdicts in words. Contract: markWords(mark), outcomeOf(row), verdictStatus(verdict). */
import { code, has, t } from "../shared/i18n.js";
import { status } from "../shared/parts.js";
import { checkName, reasonWords } from "../operator/words.js";

const VERDICTS = /** @type {const} */ ({
  intact: "ok",
  cut_off: "warn",
  damaged: "bad",
  foreign: "bad",
  missing: "bad",
  deleted: "off",
});
const OUTCOMES = /** @type {const} */ ({ approve: "ok", reject: "bad", refer: "warn" });

/** @param {import("./types.js").Mark} mark */
export function markWords({ kind, data }) {
  if (kind === "step_recorded") return `${code("step", data.step)}: ${code("step_outcome", data.outcome)}`;
  if (kind === "check_recorded") return `${checkName(data.check)}: ${code("outcome", data.outcome)}`;
  if (kind === "check_unavailable") return `${checkName(data.check)}: ${reasonWords(data.code)}`;
  if (kind === "challenge_started" && data.check === "tilt") return t("mark.tilt_started");
  if (kind === "decision_made") return t("mark.decision_made", { decision: code("decision", data.outcome) });
  if (kind === "call_suspended" && data.leg) return t("mark.leg_lost", { who: code("leg", data.leg) });
  return code("mark", kind);
}

/** @param {import("./types.js").Row} row */
export function outcomeOf(row) {
  if (row.under_way) return status("wait", t("records.under_way"));
  if (!row.outcome) return status("off", t("records.no_decision"));
  return status(OUTCOMES[row.outcome] ?? "off", code("decision", row.outcome));
}

/** @param {import("./types.js").Segment["verdict"]} verdict */
export const verdictStatus = (verdict) => status(VERDICTS[verdict] ?? "off", code("verdict", verdict));

/** @param {string} profile */
export const profileWords = (profile) => (has(`profile.${profile}`) ? t(`profile.${profile}`) : profile);
