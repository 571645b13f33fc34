/**
 * <betpe-room .visit=${visit} .revision=${n}>: the call as the interpreter has it: the citizen and the consultant in two
 * pictures of one size, herself in a small one. Her picture goes out over the connection on which the citizen's comes.
 */
import { Call } from "../shared/call.js";
import { BetpeElement } from "../shared/element.js";
import { t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice } from "../shared/parts.js";
import { show } from "../shared/playing.js";

const ENDS = /** @type {const} */ (["applicant", "operator"]);

class BetpeRoom extends BetpeElement {
  static properties = {
    visit: { attribute: false },
    revision: { attribute: false },
    muted: { state: true },
    cameraOn: { state: true },
    silent: { state: true },
  };

  constructor() {
    super();
    /** @type {import("./visit.js").Visit} */
    this.visit = /** @type {any} */ (null);
    this.revision = 0;
    this.muted = false;
    this.cameraOn = true;
    /** The browser waits for a touch before it plays sound. */
    this.silent = false;
    /** @type {Record<"applicant" | "operator", Call | null>} */
    this.calls = { applicant: null, operator: null };
    /** @type {Record<"applicant" | "operator", MediaStream | null>} */
    this.remotes = { applicant: null, operator: null };
    /** @type {MediaStream | null} */
    this.sent = null;
    this.message = (/** @type {Event} */ event) => {
      for (const end of ENDS) this.calls[end]?.heard(/** @type {CustomEvent} */ (event).detail);
    };
    this.reconnect = (/** @type {Event} */ event) => {
      if (/** @type {CustomEvent} */ (event).detail !== "open") return;
      for (const end of ENDS) void this.calls[end]?.start();
    };
  }

  connectedCallback() {
    super.connectedCallback();
    this.visit.addEventListener("media", this.message);
    this.visit.socket.addEventListener("status", this.reconnect);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.visit.removeEventListener("media", this.message);
    this.visit.socket.removeEventListener("status", this.reconnect);
    this.#stop();
  }

  #stop() {
    for (const end of ENDS) {
      this.calls[end]?.stop();
      this.calls[end] = null;
      this.remotes[end] = null;
    }
  }

  updated() {
    this.#join();
    for (const end of ENDS) {
      const video = /** @type {HTMLVideoElement} */ (this.querySelector(`video[data-end="${end}"]`));
      if (video.srcObject !== this.remotes[end]) void this.#show(video, this.remotes[end]);
    }
    const own = /** @type {HTMLVideoElement} */ (this.querySelector(".room__self"));
    if (own.srcObject !== this.visit.stream) own.srcObject = this.visit.stream;
  }

  /** @param {HTMLVideoElement} video @param {MediaStream | null} stream */
  async #show(video, stream) {
    if (!(await show(video, stream))) this.silent = true;
  }

  #join() {
    const { snapshot, stream, service, socket } = this.visit;
    const call = snapshot?.call;
    if (!call || !stream) return this.#stop();
    if (this.calls.applicant?.id !== call.id || this.sent !== stream) {
      this.#stop();
      this.sent = stream;
      for (const end of ENDS) {
        const side = end === "operator";
        const made = new Call({
          id: call.id,
          stream: side ? new MediaStream() : stream,
          iceServers: service?.ice_servers,
          icePolicy: service?.ice_policy,
          socket,
          side,
        });
        this.calls[end] = made;
        made.addEventListener("remote", (event) => {
          this.remotes[end] = /** @type {CustomEvent} */ (event).detail;
          this.requestUpdate();
        });
        made.addEventListener("status", () => this.requestUpdate());
        void made.start();
      }
      this.calls.applicant?.setMuted(this.muted);
      this.calls.applicant?.setCamera(this.cameraOn);
    }
    if (this.calls.applicant) this.calls.applicant.otherConnected = call.applicant_connected;
    if (this.calls.operator) this.calls.operator.otherConnected = call.operator_connected;
  }

  #soundOn() {
    this.silent = false;
    for (const end of ENDS) {
      const video = /** @type {HTMLVideoElement} */ (this.querySelector(`video[data-end="${end}"]`));
      void this.#show(video, this.remotes[end]);
    }
  }

  /** @param {"applicant" | "operator"} end */
  #picture(end) {
    const call = this.visit.snapshot?.call;
    const there = end === "applicant" ? call?.applicant_connected : call?.operator_connected;
    const status = this.calls[end]?.status;
    const lost = !there || status === "reconnecting";
    const words = lost ? t("call.lost") : status === "connected" ? "" : t("call.connecting");
    return html`
      <figure class="room__end" data-testid="end-${end}">
        <video class=${lost ? "room__stale" : ""} data-end=${end} autoplay playsinline aria-label=${t(`call.${end}`)}></video>
        ${words ? html`<p class="room__word" role="status">${words}</p>` : nothing}
        <figcaption>${t(`call.${end}`)}</figcaption>
      </figure>
    `;
  }

  /** @param {Parameters<typeof icon>[0]} name @param {string} words @param {string} testid @param {boolean} pressed
   * @param {() => void} act */
  #switch(name, words, testid, pressed, act) {
    return html`
      <button type="button" class="button button--secondary" aria-pressed=${String(pressed)} data-testid=${testid} @click=${act}>
        ${icon(name)}<span>${words}</span>
      </button>
    `;
  }

  render() {
    const { visit } = this;
    return html`
      <main class="room dark">
        <h1 class="hidden-visually" tabindex="-1">${t("call.title")}</h1>
        <div class="room__ends">${ENDS.map((end) => this.#picture(end))}</div>
        <div class="room__below">
          <video class="room__self" autoplay muted playsinline .muted=${true} data-testid="call-self" aria-label=${t("call.self")}></video>
          <div class="room__words">
            ${visit.snapshot?.call?.recording ? html`<p class="room__recording" data-testid="recording">${icon("record")}${t("call.recording")}</p>` : nothing}
            ${visit.fault
              ? html`${notice("bad", visit.fault.words(), { testid: "device-fault" })}
                  <button type="button" class="button" @click=${() => void visit.openDevices()}>${t("common.try_again")}</button>`
              : nothing}
            ${this.silent
              ? html`<button type="button" class="button" data-testid="play-sound" @click=${this.#soundOn}>${icon("sound")}${t("call.play")}</button>`
              : nothing}
          </div>
          <div class="room__controls" role="group" aria-label=${t("call.controls")}>
            ${this.#switch(this.muted ? "microphone_off" : "microphone", t("call.microphone"), "mute", this.muted, () => {
              this.muted = !this.muted;
              this.calls.applicant?.setMuted(this.muted);
            })}
            ${this.#switch(this.cameraOn ? "camera" : "camera_off", t("call.camera"), "camera-off", !this.cameraOn, () => {
              this.cameraOn = !this.cameraOn;
              this.calls.applicant?.setCamera(this.cameraOn);
            })}
            <button type="button" class="button button--danger" data-testid="leave" ?disabled=${visit.busy} @click=${() => void visit.leave()}>
              ${icon("leave")}<span>${t("call.leave")}</span>
            </button>
          </div>
        </div>
      </main>
    `;
  }
}
customElements.define("betpe-room", BetpeRoom);
