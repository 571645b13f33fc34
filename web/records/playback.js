/**
 * Two pictures, and an interpreter's, one clock: it runs while every picture that should move can, and each video follows it.
 *
 * Contract
 *   const playback = new Playback(segments, seconds, url); playback.attach("applicant", video)
 *   play(), pause(), seek(seconds), rate; time, playing, stalled; side(leg) -> what is shown of that leg now
 *   "change" is told a few times a second and after every command. end() lets go of the videos.
 */

const TICK_MS = 100;
/** Beyond this a video jumps; below, it is led back by its speed, which nobody hears. */
const JUMP_SECONDS = 0.3;
const NEAR_SECONDS = 0.04;
const STEER = 0.5;
/** The last picture of a segment ends a little before its sound or the other way round. */
const END_SECONDS = 0.3;
const MOST_STEER = 0.1;

/** @typedef {import("./types.js").Segment} Segment */

class Side {
  /** @param {Segment[]} segments of one leg @param {(segment: Segment) => string} url */
  constructor(segments, url) {
    this.segments = segments;
    this.url = url;
    /** @type {HTMLVideoElement | null} */
    this.video = null;
    /** @type {Segment | null} */
    this.segment = null;
    this.failed = false;
    this.onError = () => {
      this.failed = true;
    };
  }

  /** @param {HTMLVideoElement | null} video */
  attach(video) {
    if (video === this.video) return;
    this.video?.removeEventListener("error", this.onError);
    this.video = video;
    this.segment = null;
    video?.addEventListener("error", this.onError);
  }

  /** The segment of a moment; its last picture stays for a little. @param {number} time */
  at(time) {
    const within = (/** @type {number} */ more) =>
      this.segments.find(({ starts, seconds }) => starts !== null && time >= starts && time < starts + seconds + more);
    return within(0) ?? within(END_SECONDS) ?? null;
  }

  /** Seconds into the segment; a video has nothing before its first picture. @param {number} time */
  local(time) {
    return Math.max(time - (this.segment?.starts ?? 0), this.segment?.first ?? 0);
  }

  /** The segment of this moment under the video's head. @param {number} time */
  load(time) {
    const { video } = this;
    const segment = this.at(time);
    if (!video || segment === this.segment) return;
    this.segment = segment;
    this.failed = false;
    if (segment) video.src = this.url(segment);
    else video.removeAttribute("src");
    video.load();
  }

  /** Nothing to wait for. @param {number} time */
  ready(time) {
    const { video, segment } = this;
    if (!video || !segment || this.failed || video.ended) return true;
    if (video.seeking || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return false;
    return (
      video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA || segment.seconds - this.local(time) < END_SECONDS
    );
  }

  /** @param {number} time @param {boolean} running @param {number} rate */
  follow(time, running, rate) {
    const { video, segment } = this;
    if (!video || !segment || this.failed || video.readyState < HTMLMediaElement.HAVE_METADATA) return;
    const drift = this.local(time) - video.currentTime;
    const far = Math.abs(drift) > (running ? JUMP_SECONDS : NEAR_SECONDS);
    if (far && !video.seeking && !(video.ended && drift > 0)) video.currentTime = this.local(time);
    const steer = Math.abs(drift) > NEAR_SECONDS ? Math.max(-MOST_STEER, Math.min(MOST_STEER, drift * STEER)) : 0;
    video.playbackRate = rate * (1 + (running && !far ? steer : 0));
    if (running && video.paused && !video.ended) void video.play().catch(() => undefined); // a pause came first
    if (!running && !video.paused) video.pause();
  }

  /** Whether this moment is of a stretch that is not as it was recorded. @param {number} time */
  damaged(time) {
    const local = this.local(time);
    return this.segment?.damaged.some(([first, last]) => local >= first && local < last) ?? false;
  }
}

export class Playback extends EventTarget {
  /** @param {Segment[]} segments @param {number} seconds @param {(segment: Segment) => string} url */
  constructor(segments, seconds, url) {
    super();
    const playable = segments.filter((segment) => segment.playable);
    this.seconds = seconds;
    this.sides = {
      applicant: new Side(playable.filter(({ leg }) => leg === "applicant"), url),
      operator: new Side(playable.filter(({ leg }) => leg === "operator"), url),
      interpreter: new Side(playable.filter(({ leg }) => leg === "interpreter"), url),
    };
    this.time = 0;
    this.playing = false;
    this.stalled = false;
    this.rate = 1;
    this.last = performance.now();
    this.timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** @param {import("./types.js").Leg} leg */
  side(leg) {
    return this.sides[leg];
  }

  /** @param {import("./types.js").Leg} leg @param {HTMLVideoElement | null} video */
  attach(leg, video) {
    this.sides[leg].attach(video);
  }

  play() {
    if (this.time >= this.seconds) this.time = 0;
    this.playing = true;
    this.#tick();
  }

  pause() {
    this.playing = false;
    this.#tick();
  }

  /** @param {number} seconds */
  seek(seconds) {
    this.time = Math.max(0, Math.min(seconds, this.seconds));
    this.last = performance.now();
    this.#tick();
  }

  /** @param {number} rate */
  setRate(rate) {
    this.rate = rate;
    this.#tick();
  }

  #tick() {
    const now = performance.now();
    const passed = (now - this.last) / 1000;
    this.last = now;
    const sides = Object.values(this.sides);
    if (this.playing && !this.stalled) this.time = Math.min(this.time + passed * this.rate, this.seconds);
    if (this.playing && this.time >= this.seconds) this.playing = false;
    for (const side of sides) side.load(this.time);
    this.stalled = !sides.every((side) => side.ready(this.time));
    for (const side of sides) side.follow(this.time, this.playing && !this.stalled, this.rate);
    this.dispatchEvent(new CustomEvent("change"));
  }

  end() {
    clearInterval(this.timer);
    for (const side of Object.values(this.sides)) {
      side.video?.pause();
      side.attach(null);
    }
  }
}
