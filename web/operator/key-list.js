/** The list of one-key commands, and the switch that turns them off. Contract: keyList() -> template. */
import { t } from "../shared/i18n.js";
import { html } from "../shared/lit.js";
import { enableKeys, keysEnabled, label } from "./keys.js";

/** @returns {[string, string][]} key, what it does */
const lines = () => [
  [label("next"), t("keys.next")],
  [label("problem"), t("keys.problem")],
  [label("skip"), t("steps.skip")],
  [label("compare"), t("actions.compare")],
  [label("wipe"), t("keys.wipe")],
  [label("challenge"), t("keys.challenge")],
  [label("tilt"), t("keys.tilt")],
  [label("features"), t("keys.features")],
  [`${label("confirmed")} ${label("denied")} ${label("not_seen")}`, t("keys.answers")],
  [label("capture"), t("actions.capture")],
  [label("refer"), t("decide.refer.confirm")],
  [label("reject"), t("actions.reject")],
  [label("approve"), t("actions.approve")],
  ["1–9", t("keys.reasons")],
  [label("confirm"), t("keys.confirm")],
  [label("undo"), t("keys.undo")],
  [label("mute"), t("keys.mute")],
  [label("chat"), t("keys.chat")],
  [label("help"), t("keys.help")],
  [label("escape"), t("keys.escape")],
];

export const keyList = () => html`
  <div class="cover__body stack">
    <p>${t("keys.text")}</p>
    <label class="tick">
      <input
        type="checkbox"
        data-testid="keys-enabled"
        .checked=${keysEnabled()}
        @change=${(/** @type {Event} */ event) => enableKeys(/** @type {HTMLInputElement} */ (event.target).checked)}
      />
      <span>${t("keys.enabled")}</span>
    </label>
    <dl class="key-list">
      ${lines().map(([key, words]) => html`<div><dt><kbd class="key">${key}</kbd></dt><dd>${words}</dd></div>`)}
    </dl>
  </div>
`;
