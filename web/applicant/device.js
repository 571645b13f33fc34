/** <screen-device>: own picture in an oval, and three ticks: camera, microphone, connection. */
import { CameraFault, LevelMeter, openMedia, stop } from "../shared/camera.js";
import { t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice, status } from "../shared/parts.js";
import { Screen } from "./screen.js";

/** A voice half a metre away reaches this on the meter; a quiet room stays under it. */
const HEARD = 0.35;
/** Above this a talk has gaps that people notice (ITU-T G.114: 300 ms there and back is still good). */
const SLOW_MS = 400;
const PROBES = 3;
/** Faults that keep the microphone away too. */
const FOR_BOTH = new Set(["permission_denied", "insecure_address", "unsupported_browser"]);

/** @typedef {"wait" | "ok" | "warn" | "bad"} Tick */

class ScreenDevice extends Screen {
  static properties = {
    ticks: { state: true },
    fault: { state: true },
    heard: { state: true },
    milliseconds: { state: true },
  };

  constructor() {
    super();
    /** @type {{camera: Tick, microphone: Tick, connection: Tick}} */
    this.ticks = { camera: "wait", microphone: "wait", connection: "wait" };
    /** @type {CameraFault | null} */
    this.fault = null;
    this.heard = false;
    this.milliseconds = 0;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {LevelMeter | null} */
    this.meter = null;
    this.socketChanged = () => void this.#checkConnection();
  }

  connectedCallback() {
    super.connectedCallback();
    this.journey.socket.addEventListener("status", this.socketChanged);
    void this.#checkDevices();
    void this.#checkConnection();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.journey.socket.removeEventListener("status", this.socketChanged);
    this.#release();
  }

  #release() {
    void this.meter?.stop();
    this.meter = null;
    stop(this.stream);
    this.stream = null;
  }

  /** @param {Partial<{camera: Tick, microphone: Tick, connection: Tick}>} changes */
  #tick(changes) {
    this.ticks = { ...this.ticks, ...changes };
  }

  async #checkDevices() {
    this.#release();
    this.fault = null;
    this.heard = false;
    this.#tick({ camera: "wait", microphone: "wait" });
    try {
      const stream = await openMedia({ facing: "user", audio: "wanted" });
      if (!this.isConnected) return stop(stream);
      this.stream = stream;
    } catch (error) {
      if (!(error instanceof CameraFault)) throw error;
      this.fault = error;
      // A camera that is missing or in use says nothing of the microphone, which was not reached.
      this.#tick({ camera: "bad", microphone: FOR_BOTH.has(error.code) ? "bad" : "wait" });
      return;
    }
    await this.updateComplete;
    const video = /** @type {HTMLVideoElement} */ (this.querySelector("video"));
    video.srcObject = this.stream;
    video.onplaying = () => this.#tick({ camera: "ok" }); // pictures come, it is not only allowed
    this.stream.getVideoTracks()[0].onended = () => this.#stopped();
    if (this.stream.getAudioTracks().length === 0) {
      this.fault = new CameraFault("no_microphone");
      this.#tick({ microphone: "warn" });
      return;
    }
    this.#tick({ microphone: "ok" });
    this.meter = new LevelMeter(this.stream, (level) => this.#level(level));
  }

  #stopped() {
    this.fault = new CameraFault("camera_stopped");
    this.#tick({ camera: "bad" });
  }

  /** @param {number} level */
  #level(level) {
    const bar = /** @type {HTMLElement | null} */ (this.querySelector(".level__bar"));
    if (bar) bar.style.transform = `scaleX(${level})`;
    if (level > HEARD) this.heard = true;
  }

  async #checkConnection() {
    if (this.journey.socket.status !== "open") return this.#tick({ connection: "wait" });
    try {
      const trips = [];
      for (let i = 0; i < PROBES; i += 1) trips.push(await this.journey.socket.roundTrip());
      this.milliseconds = Math.round(Math.min(...trips));
      this.#tick({ connection: this.milliseconds > SLOW_MS ? "warn" : "ok" });
    } catch {
      this.#tick({ connection: "bad" });
    }
  }

  #words() {
    const { camera, microphone, connection } = this.ticks;
    const asking = camera === "wait" && !this.stream;
    return {
      camera: t(asking ? "device.camera.asking" : `device.camera.${camera}`),
      microphone: t(microphone === "ok" && this.heard ? "device.microphone.heard" : `device.microphone.${microphone}`),
      connection: t(`device.connection.${connection}`, { count: this.milliseconds }),
    };
  }

  render() {
    const words = this.#words();
    const blocked = this.ticks.camera !== "ok" || this.ticks.connection === "bad" || this.ticks.connection === "wait";
    const { fault } = this;
    const hopeless = fault !== null && fault.code !== "no_microphone";
    return html`
      <div class="stack">
        <h1 tabindex="-1">${t("device.title")}</h1>
        ${fault
          ? notice(hopeless ? "bad" : "warn", html`<p role="alert">${fault.words()}</p>`, { testid: "device-fault" })
          : nothing}
        <div class="mirror ${this.ticks.camera === "ok" ? "mirror--on" : ""}" ?hidden=${hopeless}>
          <video class="mirror__video" autoplay muted playsinline aria-label=${t("device.preview")}></video>
          <div class="mirror__oval" aria-hidden="true"></div>
          ${this.ticks.camera === "ok" ? nothing : html`<div class="mirror__none">${icon("camera")}</div>`}
        </div>
        <p class="quiet" ?hidden=${hopeless}>${t("device.oval")}</p>
        <div role="status">
          <ul class="ticks">
            <li data-testid="device-camera" data-tick=${this.ticks.camera}>${status(this.ticks.camera, words.camera)}</li>
            <li data-testid="device-microphone" data-tick=${this.ticks.microphone}>
              ${status(this.ticks.microphone, words.microphone)}
            </li>
            <li data-testid="device-connection" data-tick=${this.ticks.connection}>
              ${status(this.ticks.connection, words.connection)}
            </li>
          </ul>
        </div>
        <div class="level" aria-hidden="true" ?hidden=${this.ticks.microphone !== "ok"}><div class="level__bar"></div></div>
        ${fault && !hopeless ? this.#again("button--secondary") : nothing}
        <div class="action action--stay">
          ${hopeless
            ? this.#again("button--main")
            : html`
                <button
                  type="button"
                  class="button button--main button--wide"
                  data-testid="device-continue"
                  ?disabled=${blocked}
                  @click=${() => this.journey.go("card-front")}
                >
                  ${t("common.continue")}
                </button>
              `}
        </div>
      </div>
    `;
  }

  /** @param {string} kind */
  #again(kind) {
    return html`
      <button type="button" class="button ${kind} button--wide" data-testid="device-again" @click=${this.#checkDevices}>
        ${t("common.try_again")}
      </button>
    `;
  }
}
customElements.define("screen-device", ScreenDevice);
