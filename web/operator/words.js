/**
 * Codes of the server as words on the panel. Contract: outcomeStatus("failed") -> icon + word + colour;
 * reasonWords(code), checkName(name) -> text; an unknown code is shown as itself beside the general word.
 */
import { code, has, t } from "../shared/i18n.js";
import { status } from "../shared/parts.js";

const KINDS = /** @type {const} */ ({ passed: "ok", failed: "bad", inconclusive: "warn", not_run: "off" });

/** @param {import("./types.js").Outcome} outcome */
export const outcomeStatus = (outcome) => status(KINDS[outcome] ?? "off", code("outcome", outcome));

/** @param {string} reason */
export function reasonWords(reason) {
  for (const family of ["reason", "problem", "guidance", "error"]) {
    if (has(`${family}.${reason}`)) return t(`${family}.${reason}`);
  }
  return `${t("reason.unknown")} (${reason})`;
}

/** @param {string} name */
export function checkName(name) {
  if (name.startsWith("step_")) return code("step", name.slice("step_".length));
  return has(`check.${name}`) ? t(`check.${name}`) : `${t("check.unknown")} (${name})`;
}
