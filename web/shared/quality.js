/**
 * What a call's statistics say of it: figures for who wants numbers, and one code for everybody.
 *
 * Contract
 *   const quality = new Quality();
 *   const seen = quality.look(items)   items of getStats() of all the call's connections, every two seconds ->
 *                                      {figures, line: {kilobits: what the browser believes the line up carries (null:
 *                                      not known), audioLoss: 0..1 of the sound that the server missed}, heard: whether
 *                                      sound came}
 *   quality.judge(seen, cameraOn)      -> "good" | "poor_up" | "poor_down" | "no_picture" | "sound_only_down"
 *   quality.forget(...ways)            the counters of "up", "down", "voice" begin anew with another connection
 */

/** Below these a consultant cannot see a head turn, or words break up. */
const POOR_FRAMES_PER_SECOND = 8;
const POOR_LOSS = 0.08;

/** @typedef {{framesPerSecond: number, width: number, height: number, kilobits: number, lost: number}} Flow */
/** @typedef {{up: Flow, down: Flow, roundTripMs: number | null}} Figures */
/** @typedef {{figures: Figures, line: {kilobits: number | null, audioLoss: number}, heard: boolean}} Seen */

export class Quality {
  constructor() {
    /** @type {Record<string, {bytes: number, packets: number, lost: number, frames: number, at: number}>} */
    this.before = {};
    /** One bad look of two seconds is no news: what is said changes when two looks in a row agree. */
    this.looks = { last: "", said: "" };
  }

  /** @param {("up" | "down" | "voice")[]} ways */
  forget(...ways) {
    for (const way of ways) delete this.before[way];
  }

  /** @param {Iterable<any>} items @returns {Seen} */
  look(items) {
    const none = { framesPerSecond: 0, width: 0, height: 0, kilobits: 0, lost: 0 };
    /** @type {Figures} */
    const figures = { up: { ...none }, down: { ...none }, roundTripMs: null };
    let upLoss = 0;
    let voice = none;
    const line = { kilobits: /** @type {number | null} */ (null), audioLoss: 0 };
    for (const item of items) {
      if (item.type === "outbound-rtp" && item.kind === "video") {
        figures.up = this.#flow("up", item, item.bytesSent, item.packetsSent, 0, item.framesEncoded);
      } else if (item.type === "inbound-rtp" && item.kind === "video") {
        const { bytesReceived, packetsReceived, packetsLost, framesDecoded } = item;
        figures.down = this.#flow("down", item, bytesReceived, packetsReceived, packetsLost, framesDecoded);
      } else if (item.type === "remote-inbound-rtp" && item.kind === "video") {
        upLoss = item.fractionLost ?? 0;
        if (item.roundTripTime !== undefined) figures.roundTripMs = Math.round(item.roundTripTime * 1000);
      } else if (item.type === "inbound-rtp" && item.kind === "audio") {
        voice = this.#flow("voice", item, item.bytesReceived, item.packetsReceived, item.packetsLost);
      } else if (item.type === "remote-inbound-rtp" && item.kind === "audio") {
        line.audioLoss = item.fractionLost ?? 0;
      } else if (item.type === "candidate-pair" && item.nominated && item.availableOutgoingBitrate !== undefined) {
        line.kilobits = item.availableOutgoingBitrate / 1000;
      }
    }
    figures.up.lost = upLoss;
    return { figures, line, heard: voice.kilobits > 0 };
  }

  /** @param {Seen} seen @param {boolean} cameraOn @returns {string} */
  judge({ figures, heard }, cameraOn) {
    const code = judged(figures, heard, cameraOn);
    if (!this.looks.said || code === this.looks.last) this.looks.said = code;
    this.looks.last = code;
    return this.looks.said;
  }

  /** What came since the last look. @param {string} way @param {any} item @param {number} bytes @param {number} packets
   * @param {number} lost @param {number} frames @returns {Flow} */
  #flow(way, item, bytes = 0, packets = 0, lost = 0, frames = 0) {
    const before = this.before[way] ?? { bytes: 0, packets: 0, lost: 0, frames: 0, at: item.timestamp - 1000 };
    this.before[way] = { bytes, packets, lost, frames, at: item.timestamp };
    const seconds = Math.max(0.001, (item.timestamp - before.at) / 1000);
    const missing = Math.max(0, lost - before.lost);
    return {
      framesPerSecond: Math.round((frames - before.frames) / seconds),
      width: item.frameWidth ?? 0,
      height: item.frameHeight ?? 0,
      kilobits: Math.round(((bytes - before.bytes) * 8) / seconds / 1000),
      lost: missing / Math.max(1, packets - before.packets + missing),
    };
  }
}

/** @param {Figures} figures @param {boolean} heard @param {boolean} cameraOn */
function judged({ up, down }, heard, cameraOn) {
  if (down.framesPerSecond === 0) return heard ? "sound_only_down" : "no_picture";
  const poor = (/** @type {Flow} */ flow) => flow.framesPerSecond < POOR_FRAMES_PER_SECOND || flow.lost > POOR_LOSS;
  if (cameraOn && poor(up)) return "poor_up";
  return poor(down) ? "poor_down" : "good";
}
