/**
 * The picture that explains a request: a drawn head that does it, as the citizen sees herself in a mirror (her left is
 * the screen's left). Contract: figure("turn_left") inside a template. It moves by styles/challenge.css only, and stands
 * in the asked pose where the device asks for less motion.
 */
import { nothing, svg, html } from "../shared/lit.js";

const HEAD = svg`<path class="figure__head" d="M80 22c-26 0-40 19-40 46 0 32 18 58 40 58s40-26 40-58c0-27-14-46-40-46z"/>`;
const EYES = svg`
  <ellipse class="figure__eye" cx="64" cy="66" rx="7" ry="5"/>
  <ellipse class="figure__eye" cx="96" cy="66" rx="7" ry="5"/>
`;
const NOSE = svg`<path class="figure__line" d="M80 68l-5 17h9"/>`;
const MOUTH = svg`<path class="figure__line" d="M67 102q13 7 26 0"/>`;
const SHOULDERS = svg`<path class="figure__line" d="M22 158c4-20 20-27 42-30M138 158c-4-20-20-27-42-30"/>`;
const FACE = svg`<g class="figure__face">${EYES}${NOSE}${MOUTH}</g>`;

const ARROW_LEFT = svg`<path class="figure__arrow" d="M34 14q-18 8-24 28M10 42l-3-14M10 42l13-7"/>`;
const ARROW_RIGHT = svg`<path class="figure__arrow" d="M126 14q18 8 24 28M150 42l3-14M150 42l-13-7"/>`;
const ARROW_DOWN = svg`<path class="figure__arrow" d="M142 50v44M142 94l-9-11M142 94l9-11"/>`;

/** What is drawn for each kind. */
const PICTURES = {
  calm: svg`${SHOULDERS}${HEAD}${FACE}<circle class="figure__camera" cx="80" cy="8" r="4"/>`,
  turn_left: svg`${SHOULDERS}${HEAD}${FACE}${ARROW_LEFT}`,
  turn_right: svg`${SHOULDERS}${HEAD}${FACE}${ARROW_RIGHT}`,
  nod: svg`${SHOULDERS}<g class="figure__whole">${HEAD}${FACE}</g>${ARROW_DOWN}`,
  blink: svg`
    ${SHOULDERS}${HEAD}
    <g class="figure__eyes">${EYES}</g>
    <path class="figure__lids figure__line" d="M56 67q8 6 16 0M88 67q8 6 16 0"/>
    ${NOSE}${MOUTH}
  `,
  open_mouth: svg`${SHOULDERS}${HEAD}${EYES}${NOSE}<ellipse class="figure__mouth" cx="80" cy="104" rx="11" ry="12"/>`,
  come_closer: svg`
    <rect class="figure__phone" x="14" y="2" width="132" height="156" rx="14"/>
    <g class="figure__near">${HEAD}${FACE}</g>
  `,
};

/** @param {string} kind */
export function figure(kind) {
  const picture = Object.hasOwn(PICTURES, kind) ? PICTURES[/** @type {keyof typeof PICTURES} */ (kind)] : null;
  if (!picture) return nothing;
  return html`<svg class="figure figure--${kind}" viewBox="0 0 160 160" aria-hidden="true" focusable="false">${picture}</svg>`;
}
