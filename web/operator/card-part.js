/**
 * What the card says: its pictures, what was read and what the citizen corrected, the machine readable zone, the
 * stills taken in this call, earlier decisions. Contract: each function (case, open) -> template.
 */
import { code, date, dateTime, has, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { pictureName, thumbnail } from "./pictures.js";

const ATTRIBUTES = [
  "surname",
  "given_names",
  "patronymic",
  "iin",
  "birth_date",
  "sex",
  "document_number",
  "expiry_date",
  "issuing_state",
];
const DATES = ["birth_date", "expiry_date"];

/** @typedef {import("./types.js").Case} Case */
/** @typedef {(picture: import("./pictures.js").Shown) => void} Open */

/** @param {string} name @param {string} value */
export function attributeWords(name, value) {
  if (DATES.includes(name)) return date(value);
  if (name === "sex" && has(`sex.${value}`)) return t(`sex.${value}`);
  return value;
}

/** @param {Case} hand */
const attributes = (hand) => html`
  <dl class="attributes">
    ${ATTRIBUTES.map((name) => {
      const value = hand.attributes[name];
      const correction = hand.corrections[name];
      return html`
        <div data-testid="attribute-${name}">
          <dt>${t(`attribute.${name}`)}</dt>
          <dd>
            ${value ? attributeWords(name, value) : html`<span class="quiet">${t("card.not_read")}</span>`}
            ${correction ? html`<span class="attributes__corrected">${icon("pen")}${t("card.corrected", { value: correction })}</span>` : nothing}
          </dd>
        </div>
      `;
    })}
  </dl>
`;

/** @param {Case} hand @param {Open} open */
export const card = (hand, open) => html`
  <section aria-labelledby="card-title">
    <h2 id="card-title" class="part-title">${icon("card")}${t("card.title")}</h2>
    <div class="thumbnails">
      ${["front", "back"].map((side) =>
        hand.images[side]
          ? thumbnail(hand.images[side], pictureName(side), open)
          : html`<p class="thumbnail thumbnail--none quiet">${pictureName(side)}: ${t("card.no_picture")}</p>`,
      )}
    </div>
    ${attributes(hand)}
    <h3 class="check__part-title">${t("card.mrz")}</h3>
    ${hand.mrz_lines.length > 0
      ? html`<pre class="mrz" tabindex="0" aria-label=${t("card.mrz")}>${hand.mrz_lines.join("\n")}</pre>`
      : html`<p class="quiet">${t("card.mrz_unread")}</p>`}
  </section>
`;

/** @param {Case} hand @param {Open} open */
export const stills = (hand, open) => html`
  <section aria-labelledby="stills-title">
    <h2 id="stills-title" class="part-title">${icon("camera")}${t("stills.title")}</h2>
    ${hand.stills.length === 0
      ? html`<p class="quiet">${t("stills.none")}</p>`
      : html`
          <div class="thumbnails" data-testid="stills">
            ${hand.stills.map((still, index) => {
              const words = t("picture.still", { number: index + 1 });
              return thumbnail(still.image, `${words}: ${t(still.found ? "stills.found" : "stills.not_found")}`, open);
            })}
          </div>
        `}
  </section>
`;

/** @param {Case} hand */
export const earlierDecisions = (hand) =>
  hand.earlier_decisions.length === 0
    ? nothing
    : html`
        <section aria-labelledby="earlier-title">
          <h2 id="earlier-title" class="part-title">${icon("clock")}${t("earlier.title")}</h2>
          <ul class="earlier">
            ${hand.earlier_decisions.map(
              (decision) => html`
                <li>
                  <b>${code("decision", decision.outcome)}</b>${decision.reason_code
                    ? html`: ${code("decision_reason", decision.reason_code)}`
                    : nothing},
                  ${dateTime(decision.made_at)}${decision.note ? html`<br />${decision.note}` : nothing}
                </li>
              `,
            )}
          </ul>
        </section>
      `;
