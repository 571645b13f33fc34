/**
 * On a line that cannot carry both, the picture goes first and the voice stays.
 *
 * Contract: new Shedding(); every look(figures) -> whether video is to be sent from now on. Figures of one look, each
 * two seconds: {kilobits: what the browser believes the line up carries (null: not known), audioLoss: 0..1 of the
 * sound that the server missed, now: ms}. The picture comes back by itself: a first try after ten seconds, later ones
 * after longer and longer, because each costs the voice a few seconds where the line is still weak.
 */

/** Opus at 32 kbit/s in 50 packets a second is 56 kbit/s on the wire (RTP, SRTP, UDP, IP: 60 bytes each), and libwebrtc
 * sends no video below 30 kbit/s. */
const BOTH_KILOBITS = 86;
/** Opus repeats a lost packet in the next one (RFC 6716, 2.1.7), which hides single losses; beyond this words break. */
const VOICE_LOSS = 0.15;
/** Looks in a row: one bad look may be a lift, or the first seconds of the browser's estimate. */
const PATIENCE = 3;
/** An estimate that rises by more than this from look to look is no verdict yet: without video it stays at what the
 * voice takes, and with it it grows by some 8% a second until it meets the line. */
const RISING = 1.05;
const FIRST_RETURN_MS = 10_000;
const LAST_RETURN_MS = 80_000;
/** Video that held this long was no failed try. */
const HELD_MS = 20_000;

export class Shedding {
  constructor() {
    this.shed = false;
    this.poor = 0;
    /** @type {number | null} the estimate of the look before */
    this.before = null;
    this.since = 0;
    this.wait = FIRST_RETURN_MS;
  }

  /** @param {{kilobits: number | null, audioLoss: number, now: number}} figures @returns {boolean} */
  look({ kilobits, audioLoss, now }) {
    if (this.shed) {
      if (now - this.since >= this.wait) this.#turn(false, now);
    } else {
      const narrow = kilobits !== null && kilobits < BOTH_KILOBITS;
      const rising = narrow && this.before !== null && kilobits > RISING * this.before;
      this.before = kilobits;
      if (audioLoss > VOICE_LOSS || (narrow && !rising)) this.poor += 1;
      else if (!narrow) this.poor = 0;
      if (this.poor >= PATIENCE) {
        const failedTry = this.since > 0 && now - this.since < HELD_MS;
        this.wait = failedTry ? Math.min(2 * this.wait, LAST_RETURN_MS) : FIRST_RETURN_MS;
        this.#turn(true, now);
      }
    }
    return !this.shed;
  }

  /** @param {boolean} shed @param {number} now */
  #turn(shed, now) {
    this.shed = shed;
    this.since = now;
    this.poor = 0;
    this.before = null;
  }
}
