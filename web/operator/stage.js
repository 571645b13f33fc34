/**
 * <betpe-stage>: the citizen's live video, what is wrong with it when something is, and the line of its figures.
 * Contract: .desk, .talk, .case (of the snapshot), .revision (a new number renders again). Words stand beside the
 * picture or where there is none, never over it. Fires "interpreter" when her panel is asked for.
 */
import { BetpeElement } from "../shared/element.js";
import { isAdmitted } from "../shared/guest.js";
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { createRef, html, nothing, ref } from "../shared/lit.js";
import { notice, status } from "../shared/parts.js";
import { play, show } from "../shared/playing.js";
import "./elapsed.js";
import { label } from "./keys.js";
import { streamOf } from "./own-video.js";

/** Below this a head turn is seen as jumps, and fewer good frames reach the comparison. */
const SLOW_FRAMES_PER_SECOND = 10;

class BetpeStage extends BetpeElement {
  static properties = {
    desk: { attribute: false },
    talk: { attribute: false },
    case: { attribute: false },
    revision: { attribute: false },
    silent: { state: true },
    lostSince: { state: true },
  };

  constructor() {
    super();
    /** @type {import("./desk.js").Desk} */
    this.desk = /** @type {any} */ (null);
    /** @type {import("./conversation.js").Conversation} */
    this.talk = /** @type {any} */ (null);
    /** @type {import("./types.js").Case} */
    this.case = /** @type {any} */ (null);
    this.revision = 0;
    /** The browser did not let the sound play by itself. */
    this.silent = false;
    /** @type {string | null} */
    this.lostSince = null;
    /** @type {import("../shared/lit.js").Ref<HTMLVideoElement>} */
    this.video = createRef();
    /** @type {import("../shared/lit.js").Ref<HTMLVideoElement>} */
    this.third = createRef();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has("case")) return;
    if (this.case.state !== "suspended") this.lostSince = null;
    else this.lostSince ??= new Date().toISOString();
  }

  updated() {
    void this.#showThird();
    const video = this.video.value;
    if (!video || video.srcObject === this.talk.remote) return;
    streamOf(video, this.talk.remote);
    if (this.talk.remote) void this.#play(video);
  }

  async #showThird() {
    const video = this.third.value;
    const { remote } = this.talk.guest;
    if (video && video.srcObject !== remote && !(await show(video, remote))) this.silent = true;
  }

  /** @param {HTMLVideoElement} video */
  async #play(video) {
    if ((await play(video)) !== null) this.silent = video.muted;
  }

  #soundOn() {
    const video = this.video.value;
    if (!video) return;
    video.muted = false;
    void this.#play(video);
    if (this.third.value) void show(this.third.value, this.talk.guest.remote);
  }

  /** What stands where there is no picture, or null when there is one. */
  #instead() {
    const { own, remote, status: media } = this.talk;
    const { state } = this.case;
    if (own.status === "fault" && own.fault) {
      return html`
        ${notice("bad", own.fault.words(), { title: t("media.own_fault"), testid: "device-fault" })}
        <button type="button" class="button" data-testid="device-retry" @click=${() => this.talk.startOwn()}>
          ${t("common.try_again")}
        </button>
        ${state === "matched" || state === "suspended" ? this.#release("technical") : nothing}
      `;
    }
    if (state === "matched") {
      return html`
        <p class="stage__word">${icon("clock")}${t(this.case.applicant_present ? "media.waiting" : "media.waiting.page_gone")}</p>
        ${this.#release("applicant_absent")}
      `;
    }
    if (media === "reconnecting") {
      return html`
        <p class="stage__word" data-testid="reconnecting">${icon("network")}${t("media.reconnecting")}</p>
        ${state === "suspended" ? this.#release("technical") : nothing}
      `;
    }
    if (state === "suspended" && !this.case.applicant_connected) {
      return html`
        <p class="stage__word" data-testid="applicant-lost">${icon("network")}${t("media.suspended")}</p>
        <p>${t("media.suspended.wait")} <betpe-elapsed .since=${this.lostSince}></betpe-elapsed></p>
        <p class="quiet">${t("media.suspended.then")}</p>
        ${this.#release("applicant_absent")}
      `;
    }
    if (media === "connected" && remote) return null;
    return html`<p class="stage__word">${icon("clock")}${t("media.connecting")}</p>`;
  }

  /** @param {"applicant_absent" | "technical"} reason */
  #release(reason) {
    return html`
      <button
        type="button"
        class="button button--secondary"
        data-testid="release"
        ?disabled=${this.desk.busy.has("release")}
        @click=${() => void this.desk.run("release", "POST", "case/release", { reason })}
      >
        ${t("media.release")}
      </button>
    `;
  }

  /** Figures of the picture as it arrives here; the server's until the browser has its own. */
  #figures() {
    const seen = this.talk.quality?.figures.down;
    if (seen?.width) return { width: seen.width, height: seen.height, fps: seen.framesPerSecond };
    const told = this.case.statistics;
    return told?.width ? { width: told.width, height: told.height, fps: Math.round(told.frames_per_second) } : null;
  }

  #picture() {
    if (this.case.state !== "in_call" && this.case.state !== "deciding") return nothing;
    if (this.talk.quality?.code === "no_picture") {
      return html`<span data-testid="camera-stopped">${status("bad", t("media.camera_stopped"))}</span>`;
    }
    if (this.talk.quality?.code === "sound_only_down" || this.talk.quality?.code === "sound_only_up") {
      return html`<span data-testid="sound-only">${status("warn", t(`quality.${this.talk.quality.code}`))}</span>`;
    }
    const figures = this.#figures();
    if (!figures) return html`<span class="quiet">${t("line.no_figures")}</span>`;
    const [advice] = this.case.guidance ?? [];
    const words = advice
      ? status("warn", t("line.advice", { advice: code("guidance", advice) }))
      : figures.fps < SLOW_FRAMES_PER_SECOND
        ? status("warn", t("line.picture_slow"))
        : this.talk.quality?.code === "poor_up"
          ? status("warn", t("quality.poor_up"))
          : status("ok", t("line.picture_good"));
    const size = { width: String(figures.width), height: String(figures.height), fps: figures.fps };
    return html`
      <span data-testid="picture-state">${words}</span>
      <span class="quiet numbers" data-testid="picture-figures">${t("line.picture", size)}</span>
      ${this.case.recording ? html`<span class="quiet" data-testid="recording">${icon("record")}${t("line.recording")}</span>` : nothing}
    `;
  }

  #muteButton() {
    const { muted } = this.talk;
    return html`
      <button
        type="button"
        class="line-button ${muted ? "line-button--off" : ""}"
        title=${t(muted ? "media.unmute" : "media.mute")}
        aria-keyshortcuts="M"
        data-testid="mute"
        @click=${() => this.talk.toggleMute()}
      >
        ${icon(muted ? "microphone_off" : "microphone")}<span>${t(muted ? "line.muted" : "line.sound_on")}</span>
        <kbd class="key" aria-hidden="true">${label("mute")}</kbd>
      </button>
    `;
  }

  /** Beside the citizen's picture: it hides nothing of it. */
  #thirdPicture() {
    const third = this.case.interpreter;
    if (!third || !isAdmitted(third)) return nothing;
    return html`
      <figure class="stage__third" data-testid="third" data-connected=${third.connected}>
        <video class=${third.connected ? "" : "stage__third-stale"} autoplay playsinline data-testid="third-video" ${ref(this.third)}></video>
        <figcaption>
          ${third.connected ? icon("person") : icon("warning")}
          <span>${t("third.name", { name: third.name })}${third.connected ? nothing : html`<br />${t("third.absent")}`}</span>
        </figcaption>
      </figure>
    `;
  }

  #thirdButton() {
    const third = this.case.interpreter;
    if (this.case.state !== "in_call" && this.case.state !== "suspended") return nothing;
    const wanting = third && !third.ended && !third.connected;
    return html`
      <button
        type="button"
        class="line-button ${wanting ? "line-button--off" : ""}"
        data-testid="third-open"
        @click=${() => this.dispatchEvent(new Event("interpreter"))}
      >
        ${icon("person")}<span>${t("third.button")}</span>
      </button>
      ${third?.ended ? html`<span class="quiet" role="status">${code("third.ended", third.ended)}</span>` : nothing}
      ${third?.connected ? html`<span class="stage__other" role="status" data-testid="present-interpreter">${t("third.here")}</span>` : nothing}
    `;
  }

  render() {
    const instead = this.#instead();
    return html`
      <div class="stage__pictures">
      <div class="stage__frame ${instead ? "stage__frame--empty" : ""}">
        <video
          class="stage__video"
          autoplay
          playsinline
          aria-label=${t("case.video")}
          data-testid="call-remote"
          ?hidden=${instead !== null}
          ${ref(this.video)}
        ></video>
        ${instead ? html`<div class="stage__instead" role="status">${instead}</div>` : nothing}
      </div>
      ${this.#thirdPicture()}
      </div>
      <div class="stage__line">
        ${this.talk.own.status === "on" ? this.#muteButton() : nothing}
        ${this.silent
          ? html`<button type="button" class="line-button line-button--off" data-testid="sound-on" @click=${this.#soundOn}>${icon("sound")}<span>${t("media.tap_to_play")}</span></button>`
          : nothing}
        ${this.#picture()} ${this.#thirdButton()}
        ${(this.case.others ?? []).map(
          (role) => html`<span class="stage__other" role="status" data-testid="present-${role}">${icon("eye")}${code("present", role)}</span>`,
        )}
        ${this.case.call_started_at
          ? html`<span class="stage__elapsed">${icon("clock")}<span class="hidden-visually">${t("line.elapsed")}</span><betpe-elapsed .since=${this.case.call_started_at}></betpe-elapsed></span>`
          : nothing}
      </div>
    `;
  }
}
customElements.define("betpe-stage", BetpeStage);
