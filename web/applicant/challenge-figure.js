/**
 * The picture that explains a request: a drawn head that does it, as the citizen sees herself in a mirror (her left is
 * the screen's left); or a drawn card that is tilted, and a finger that goes across it, as they are seen on the screen. Contract: figure("turn_left") inside a template. It moves by styles/challenge.css only, and stands
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

const CARD = svg`
  <rect class="figure__card" x="6" y="32" width="148" height="96" rx="9"/>
  <rect class="figure__line" x="20" y="54" width="36" height="46" rx="3"/>
  <circle class="figure__eye" cx="38" cy="70" r="7"/>
  <path class="figure__line" d="M27 98q0-15 11-15t11 15M70 58h66M70 76h50M70 94h58"/>
`;
const FINGER = svg`
  <g class="figure__finger">
    <path class="figure__skin" d="M66 160V66a14 14 0 0 1 28 0v94z"/>
    <path class="figure__line" d="M73 66a7 7 0 0 1 14 0v7h-14z"/>
  </g>
`;
/** The edge that comes nearer is the thick one. */
const NEARER = {
  left: svg`<path class="figure__arrow" d="M6 44v72"/>`,
  right: svg`<path class="figure__arrow" d="M154 44v72"/>`,
  up: svg`<path class="figure__arrow" d="M18 32h124"/>`,
  down: svg`<path class="figure__arrow" d="M18 128h124"/>`,
};

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
  card_calm: CARD,
  tilt_left: svg`${CARD}${NEARER.left}`,
  tilt_right: svg`${CARD}${NEARER.right}`,
  tilt_up: svg`${CARD}${NEARER.up}`,
  tilt_down: svg`${CARD}${NEARER.down}`,
  finger_left: svg`${CARD}<path class="figure__arrow" d="M132 18H30M30 18l13-9M30 18l13 9"/>${FINGER}`,
  finger_right: svg`${CARD}<path class="figure__arrow" d="M28 18h102M130 18l-13-9M130 18l-13 9"/>${FINGER}`,
};

/** @param {string} kind */
export function figure(kind) {
  const picture = Object.hasOwn(PICTURES, kind) ? PICTURES[/** @type {keyof typeof PICTURES} */ (kind)] : null;
  if (!picture) return nothing;
  return html`<svg class="figure figure--${kind}" viewBox="0 0 160 160" aria-hidden="true" focusable="false">${picture}</svg>`;
}
