/**
 * <betpe-live .session=${id} .call=${row | null}>: a talk that goes on, as a supervisor watches it. Each picture is a
 * stream of what is being recorded; one that ends (a reconnect) is asked for anew while the talk goes on.
 */
import { BetpeElement } from "../shared/element.js";
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice } from "../shared/parts.js";
import { play } from "../shared/playing.js";
import { liveUrl } from "./archive.js";

const LEGS = /** @type {const} */ (["applicant", "operator", "interpreter"]);
const LOOK_MS = 500;
/** A picture that stands still for so many looks is asked for anew. */
const MOST_STILL = 12;
/** How far behind the newest picture is caught up with, and how fast. */
const BEHIND = [
  { seconds: 1.5, rate: 1.5 },
  { seconds: 0.7, rate: 1.1 },
];

class BetpeLive extends BetpeElement {
  static properties = { session: { attribute: false }, call: { attribute: false } };

  constructor() {
    super();
    this.session = "";
    /** @type {import("./types.js").CallRow | null} */
    this.call = null;
    this.sides = {
      applicant: { attempt: 0, at: 0, still: 0, silenced: false },
      operator: { attempt: 0, at: 0, still: 0, silenced: false },
      interpreter: { attempt: 0, at: 0, still: 0, silenced: false },
    };
    this.timer = 0;
  }

  connectedCallback() {
    super.connectedCallback();
    this.timer = setInterval(() => this.#look(), LOOK_MS);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.timer);
    for (const leg of LEGS) this.#stop(leg);
  }

  /** @param {import("./types.js").Leg} leg @returns {HTMLVideoElement | null} */
  #video(leg) {
    return this.querySelector(`video[data-leg="${leg}"]`);
  }

  /** Lets go of the connection: the server counts who is there by it. @param {import("./types.js").Leg} leg */
  #stop(leg) {
    const video = this.#video(leg);
    video?.removeAttribute("src");
    video?.load();
  }

  /** @param {import("./types.js").Leg} leg */
  #again(leg) {
    const video = this.#video(leg);
    if (!video || !this.call) return;
    const side = this.sides[leg];
    side.attempt += 1;
    side.still = side.at = 0;
    video.src = liveUrl(this.session, leg, side.attempt);
    void play(video).then((plays) => {
      if (plays !== false) return;
      side.silenced = true;
      this.requestUpdate();
    });
  }

  #look() {
    for (const leg of LEGS) {
      const video = this.#video(leg);
      const side = this.sides[leg];
      if (!video) continue;
      if (!this.call) {
        if (video.hasAttribute("src")) this.#stop(leg);
        continue;
      }
      side.still = video.currentTime > side.at ? 0 : side.still + 1;
      side.at = video.currentTime;
      if (!video.hasAttribute("src") || video.ended || video.error || side.still > MOST_STILL) this.#again(leg);
      const { buffered } = video;
      const behind = buffered.length ? buffered.end(buffered.length - 1) - video.currentTime : 0;
      video.playbackRate = BEHIND.find(({ seconds }) => behind > seconds)?.rate ?? 1;
    }
    this.requestUpdate();
  }

  /** @param {import("./types.js").Leg} leg */
  #side(leg) {
    const side = this.sides[leg];
    const seen = (this.#video(leg)?.videoWidth ?? 0) > 0;
    return html`
      <figure class="player__side" data-testid="live-${leg}">
        <div class="player__picture dark">
          <video data-leg=${leg} playsinline .muted=${side.silenced} aria-label=${code("leg", leg)}></video>
          ${seen ? nothing : html`<p class="player__instead">${t("live.connecting")}</p>`}
        </div>
        <figcaption>
          <span>${code("leg", leg)}</span>
          <button
            type="button"
            class="small-button"
            aria-pressed=${side.silenced ? "true" : "false"}
            aria-label=${t(`player.silence.${leg}`)}
            @click=${() => {
              side.silenced = !side.silenced;
              this.requestUpdate();
            }}
          >
            ${icon(side.silenced ? "sound_off" : "sound")}
          </button>
        </figcaption>
      </figure>
    `;
  }

  render() {
    return html`
      <main class="record" data-testid="live">
        <h1 tabindex="-1">${this.call ? t("live.heading", { operator: this.call.operator_name }) : t("live.title")}</h1>
        ${this.call
          ? html`
              <p class="quiet">${t("live.text")} ${t("live.delay")}</p>
              <div class="player__sides ${this.call.interpreted ? "player__sides--three" : ""}">
                ${LEGS.map((leg) => (leg !== "interpreter" || this.call?.interpreted ? this.#side(leg) : nothing))}
              </div>
            `
          : notice("info", t("live.over"), { testid: "live-over" })}
      </main>
    `;
  }
}
customElements.define("betpe-live", BetpeLive);
