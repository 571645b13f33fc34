/**
 * Pictures of the case in hand. Contract: pictureUrl(sha256); thumbnail(sha256, words, open) -> template of a button
 * that opens it large; pictureName("probe") -> what it shows, in words; a picture that does not come says so.
 */
import { has, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html } from "../shared/lit.js";

/** @typedef {{sha256: string, words: string}} Shown */

/** @param {string} sha256 */
export const pictureUrl = (sha256) => `/api/operator/case/images/${sha256}`;

/** @param {string} name */
export function pictureName(name) {
  const frame = /^frame_(\d+)$/.exec(name);
  if (frame) return t("picture.frame", { number: Number(frame[1]) + 1 });
  const step = /^step_(\d+)$/.exec(name);
  if (step) return t("picture.step", { number: Number(step[1]) });
  const still = /^[a-z]+-[a-z-]+_(\d+)$/.exec(name);
  if (still) return t("picture.feature", { number: Number(still[1]) });
  return t(has(`picture.${name}`) ? `picture.${name}` : "picture.unknown");
}

/** Marks the frame around a picture that could not be loaded. @param {Event} event */
export const missing = (event) =>
  /** @type {HTMLImageElement} */ (event.target).closest("[data-picture]")?.classList.add("picture--missing");

/** @param {string} sha256 @param {string} words @param {(picture: Shown) => void} open */
export const thumbnail = (sha256, words, open) => html`
  <button
    type="button"
    class="thumbnail"
    data-picture
    data-missing=${t("picture.missing")}
    aria-label=${t("picture.open", { picture: words })}
    @click=${() => open({ sha256, words })}
  >
    <img src=${pictureUrl(sha256)} alt="" decoding="async" @error=${missing} />
    <span class="thumbnail__name">${words}</span>
    <span class="thumbnail__sign">${icon("eye")}</span>
  </button>
`;
