/**
 * Whether a card lies in the frame on the screen, sharp and still: what lets the page press the shutter itself.
 *
 * Contract: `const judge = new Steadiness(); judge.see(luma, width, height) -> {card, sharp, still, ready}`, called about
 * EVERY_MS apart with the grey values (0..255) of the frame's surroundings: the card's place takes the middle
 * CARD_SHARE of each side of that picture. Pure: no DOM, no time. The server judges the picture itself; this only
 * chooses the moment, so it may be wrong cheaply. On 200 drawn cards within 2% of the frame and 1.5 degrees it found 98%,
 * of those within 4% and 3 degrees 65% (the hint then says what to do), and none in 340 pictures of faces and of tables
 * without a card (tests/browser/test_steady.py repeats this in small).
 */

export const EVERY_MS = 150;
/** Of each side of the picture that is looked at; the rest is where an edge of the card may lie. */
export const CARD_SHARE = 0.8;
/** So many looks in a row: 0.6 s is longer than a hand takes to come to rest by chance, and not a wait. */
const LOOKS = 4;
/** Half the width of the band about each side of the frame in which the card's edge is sought. */
const BAND = 0.07;
/** A step in grey across an edge that is seen as one; sensor noise after downscaling is 2 to 3 levels. */
const EDGE_STEP = 9;
/** Share of a side along which the edge has to show: fingers may hold the rest. */
const EDGE_LENGTH = 0.5;
/** Sides that must show: the fourth may lie against a table of its own colour. */
const SIDES = 3;
/** Mean change between two looks, in grey levels, of a hand that holds still. */
const STILL = 5;
/** Variance of the Laplacian inside the card. Measured on drawn cards: sharp 4200 and more, out of focus 44 to 103. */
const SHARP = 300;

export class Steadiness {
  constructor() {
    /** @type {Uint8Array | null} */
    this.before = null;
    this.looks = 0;
  }

  /** @param {Uint8Array} luma @param {number} width @param {number} height */
  see(luma, width, height) {
    const card = sidesFound(luma, width, height) >= SIDES;
    const sharp = laplacianVariance(luma, width, height) >= SHARP;
    const still = this.before?.length === luma.length && meanChange(luma, this.before) <= STILL;
    this.before = luma;
    this.looks = card && sharp && still ? this.looks + 1 : 0;
    return { card, sharp, still, ready: this.looks >= LOOKS };
  }

  forget() {
    this.before = null;
    this.looks = 0;
  }
}

/** @param {Uint8Array} luma @param {Uint8Array} before */
export function meanChange(luma, before) {
  let sum = 0;
  for (let i = 0; i < luma.length; i += 1) sum += Math.abs(luma[i] - before[i]);
  return sum / luma.length;
}

/** @param {Uint8Array} luma @param {number} width @param {number} height of the middle CARD_SHARE */
export function laplacianVariance(luma, width, height) {
  const left = Math.ceil((width * (1 - CARD_SHARE)) / 2) + 1;
  const top = Math.ceil((height * (1 - CARD_SHARE)) / 2) + 1;
  let count = 0;
  let sum = 0;
  let squares = 0;
  for (let y = top; y < height - top; y += 1) {
    for (let x = left; x < width - left; x += 1) {
      const i = y * width + x;
      const value = 4 * luma[i] - luma[i - 1] - luma[i + 1] - luma[i - width] - luma[i + width];
      count += 1;
      sum += value;
      squares += value * value;
    }
  }
  return count ? squares / count - (sum / count) ** 2 : 0;
}

/** How many of the four sides of the frame have a straight edge near them. @param {Uint8Array} luma
 * @param {number} width @param {number} height */
export function sidesFound(luma, width, height) {
  const at = (/** @type {number} */ x, /** @type {number} */ y) => luma[y * width + x];
  const inset = (1 - CARD_SHARE) / 2;
  const sides = [
    { across: height, along: width, place: inset, grey: (/** @type {number} */ c, /** @type {number} */ a) => at(a, c) },
    { across: height, along: width, place: 1 - inset, grey: (/** @type {number} */ c, /** @type {number} */ a) => at(a, c) },
    { across: width, along: height, place: inset, grey: (/** @type {number} */ c, /** @type {number} */ a) => at(c, a) },
    { across: width, along: height, place: 1 - inset, grey: (/** @type {number} */ c, /** @type {number} */ a) => at(c, a) },
  ];
  return sides.filter(({ across, along, place, grey }) => {
    const from = Math.max(1, Math.floor((place - BAND) * across));
    const to = Math.min(across - 2, Math.ceil((place + BAND) * across));
    const start = Math.ceil(along * inset) + 2;
    const end = Math.floor(along * (1 - inset)) - 2;
    // an edge is one line: the same row (or one beside it, for a card held a little askew) all along
    for (let row = from; row <= to; row += 1) {
      let rising = 0;
      let falling = 0;
      for (let a = start; a < end; a += 1) {
        const drift = Math.round((a / along - 0.5) * 2); // looks one pixel up at one end, down at the other
        let most = 0;
        let least = 0;
        for (const shift of [0, drift]) {
          const c = Math.min(across - 2, Math.max(1, row + shift));
          const step = grey(c + 1, a) - grey(c - 1, a);
          most = Math.max(most, step);
          least = Math.min(least, step);
        }
        if (most >= EDGE_STEP) rising += 1;
        if (-least >= EDGE_STEP) falling += 1;
      }
      if (Math.max(rising, falling) >= EDGE_LENGTH * (end - start)) return true;
    }
    return false;
  }).length;
}
