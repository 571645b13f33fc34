/** <screen-card side="front" | "back">: photograph one side of the card, and see at once whether it can be used. */
import { ApiError, asApiError } from "../shared/api.js";
import { CameraFault, openMedia, stop } from "../shared/camera.js";
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice, spinner, status } from "../shared/parts.js";
import { fromFile, fromVideo } from "./picture.js";
import { Screen } from "./screen.js";
import { EVERY_MS, Steadiness } from "./steady.js";

/** Grey values of the viewfinder that Steadiness looks at: 30 000 pixels take 2 ms on an old phone. */
const LOOK_WIDTH = 224;

/** @typedef {"live" | "sending" | "read"} Phase */

class ScreenCard extends Screen {
  static properties = {
    side: {},
    phase: { state: true },
    hint: { state: true },
    sent: { state: true },
    reading: { state: true },
    error: { state: true },
    fault: { state: true },
    live: { state: true },
    picture: { state: true },
  };

  constructor() {
    super();
    /** @type {"front" | "back"} */
    this.side = "front";
    /** @type {Phase} */
    this.phase = "live";
    /** @type {"fit" | "sharpen" | "hold" | "good"} */
    this.hint = "fit";
    this.sent = 0;
    /** @type {import("./journey.js").Reading | null} */
    this.reading = null;
    /** @type {import("./screen.js").Fault | null} */
    this.error = null;
    /** @type {CameraFault | null} */
    this.fault = null;
    this.live = false;
    /** @type {MediaStream | null} */
    this.stream = null;
    this.picture = "";
    this.timer = 0;
    this.judge = new Steadiness();
    this.canvas = document.createElement("canvas");
  }

  connectedCallback() {
    super.connectedCallback();
    const kept = this.journey.snapshot?.readings[this.side];
    if (kept?.usable) {
      this.reading = kept;
      this.phase = "read";
      this.picture = this.journey.pictureAddress(this.side);
    } else void this.#openCamera();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#closeCamera();
    this.#forgetPicture();
  }

  #closeCamera() {
    clearInterval(this.timer);
    this.judge.forget();
    stop(this.stream);
    this.stream = null;
    this.live = false;
  }

  #forgetPicture() {
    if (this.picture.startsWith("blob:")) URL.revokeObjectURL(this.picture);
    this.picture = "";
  }

  async #openCamera() {
    this.#closeCamera();
    this.fault = null;
    try {
      const stream = await openMedia({ facing: "environment", detailed: true, audio: false });
      if (!this.isConnected || this.phase !== "live") return stop(stream);
      this.stream = stream;
    } catch (error) {
      if (!(error instanceof CameraFault)) throw error;
      this.fault = error;
      return;
    }
    await this.updateComplete;
    const video = this.#video();
    if (!video) return this.#closeCamera();
    video.srcObject = this.stream;
    video.onplaying = () => (this.live = true);
    this.stream.getVideoTracks()[0].onended = () => {
      this.#closeCamera();
      this.fault = new CameraFault("camera_stopped");
    };
    this.timer = setInterval(() => this.#look(), EVERY_MS);
  }

  #video() {
    return /** @type {HTMLVideoElement | null} */ (this.querySelector(".finder__video"));
  }

  /** The part of the camera's picture that the viewfinder shows (object-fit: cover). */
  #shown() {
    const video = /** @type {HTMLVideoElement} */ (this.#video());
    const { videoWidth, videoHeight, clientWidth, clientHeight } = video;
    const scale = Math.max(clientWidth / videoWidth, clientHeight / videoHeight);
    const width = clientWidth / scale;
    const height = clientHeight / scale;
    return { x: (videoWidth - width) / 2, y: (videoHeight - height) / 2, width, height };
  }

  #look() {
    const video = this.#video();
    if (this.phase !== "live" || !video || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    const area = this.#shown();
    if (!(area.width > 0 && area.height > 0)) return; // the page is hidden or not laid out yet
    const width = LOOK_WIDTH;
    const height = Math.round((LOOK_WIDTH * area.height) / area.width);
    this.canvas.width = width;
    this.canvas.height = height;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { willReadFrequently: true }));
    context.drawImage(video, area.x, area.y, area.width, area.height, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const luma = new Uint8Array(width * height);
    for (let i = 0, j = 0; i < luma.length; i += 1, j += 4) {
      luma[i] = (77 * data[j] + 150 * data[j + 1] + 29 * data[j + 2]) >> 8; // ITU-R BT.601
    }
    const seen = this.judge.see(luma, width, height);
    this.hint = !seen.card ? "fit" : !seen.sharp ? "sharpen" : !seen.still ? "hold" : "good";
    if (seen.ready) void this.#shoot();
  }

  async #shoot() {
    const video = this.#video();
    if (this.phase !== "live" || !video || video.videoWidth === 0) return;
    const picture = await fromVideo(video, { crop: this.#shown() });
    navigator.vibrate?.(60);
    await this.#send(picture);
  }

  /** @param {Event} event */
  async #choose(event) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const file = input.files?.[0];
    input.value = ""; // the same file may be chosen again
    if (file) await this.#send(await fromFile(file));
  }

  /** @param {Blob} picture */
  async #send(picture) {
    this.#closeCamera();
    this.#forgetPicture();
    this.picture = URL.createObjectURL(picture);
    this.phase = "sending";
    this.sent = 0;
    this.error = null;
    this.reading = null;
    try {
      this.reading = await this.journey.sendSide(this.side, picture, (fraction) => (this.sent = fraction));
    } catch (error) {
      this.error = asApiError(error);
      if (error instanceof ApiError && error.status === 409) await this.journey.refresh();
    }
    this.phase = "read";
    await this.updateComplete;
    /** @type {HTMLElement | null} */ (this.querySelector("[data-verdict]"))?.focus();
  }

  #retake() {
    this.#forgetPicture();
    this.phase = "live";
    this.reading = null;
    this.error = null;
    this.hint = "fit";
    void this.#openCamera();
  }

  #goOn() {
    const other = this.side === "front" ? "back" : "front";
    const done = this.journey.snapshot?.readings[other]?.usable;
    this.journey.go(done ? "check" : `card-${other}`);
  }

  #file(/** @type {string} */ words) {
    return html`
      <label class="button button--secondary button--wide file">
        ${icon("file")}<span>${words}</span>
        <input
          type="file"
          class="file__input"
          accept="image/*"
          data-testid="file-${this.side}"
          ?disabled=${this.phase === "sending"}
          @change=${this.#choose}
        />
      </label>
    `;
  }

  #finder() {
    return html`
      <div class="finder finder--${this.hint}">
        <video class="finder__video" autoplay muted playsinline aria-label=${t("card.preview")}></video>
        <div class="finder__frame" aria-hidden="true"></div>
        ${this.live ? nothing : html`<div class="finder__none">${icon("card")}</div>`}
      </div>
      ${this.fault
        ? html`
            ${notice("bad", html`<p role="alert">${this.fault.words()}</p>`, { testid: "device-fault" })}
            <button type="button" class="button button--secondary button--wide" @click=${this.#openCamera}>
              ${t("common.try_again")}
            </button>
          `
        : html`<p class="finder__hint" role="status">${t(this.live ? `card.hint.${this.hint}` : "card.hint.opening")}</p>`}
      <div class="action action--stay">
        <button
          type="button"
          class="button button--main button--wide"
          data-testid="shutter"
          ?disabled=${!this.live}
          @click=${this.#shoot}
        >
          ${icon("photo")}${t("card.shutter")}
        </button>
      </div>
      <div class="action">
        ${this.#file(t("card.file"))}
        ${this.journey.service?.specimen && this.side === "front"
          ? html`
              <button
                type="button"
                class="button button--plain button--wide"
                data-testid="specimen"
                @click=${() => this.journey.go("specimen")}
              >
                ${t("card.specimen")}
              </button>
            `
          : nothing}
      </div>
    `;
  }

  #verdict() {
    if (this.phase === "sending") {
      return html`
        ${this.sent < 1
          ? html`
              <label class="label" for="sent">${t("card.sending")}</label>
              <progress id="sent" class="sent" max="1" .value=${this.sent}></progress>
            `
          : spinner(t("card.judging"))}
        <div class="action">${this.#file(t("card.another_file"))}</div>
      `;
    }
    const usable = this.reading?.usable;
    const problems = this.reading?.problems ?? [];
    const words = this.error ? [this.error.words()] : problems.map((problem) => code("problem", problem));
    if (!usable && words.length === 0) words.push(code("problem", "unknown"));
    return html`
      <div tabindex="-1" data-verdict class="stack">
        ${usable
          ? html`<p data-testid="card-usable">${status("ok", t("card.good"))}</p>`
          : notice(
              "bad",
              html`<p data-testid="card-problem">${words[0]}</p>
                ${words.length > 1
                  ? html`<details class="details"><summary>${t("card.more")}</summary>
                      <ul>${words.slice(1).map((each) => html`<li>${each}</li>`)}</ul></details>`
                  : nothing}`,
              { title: t("card.not_good") },
            )}
      </div>
      <div class="action">
        ${usable
          ? html`
              <button type="button" class="button button--main button--wide" data-testid="card-continue" @click=${this.#goOn}>
                ${t(this.side === "front" ? "card.next.front" : "card.next.back")}
              </button>
              <button type="button" class="button button--secondary button--wide" data-testid="retake" @click=${this.#retake}>
                ${t("card.retake")}
              </button>
            `
          : html`
              <button type="button" class="button button--main button--wide" data-testid="retake" @click=${this.#retake}>
                ${icon("photo")}${t("card.retake")}
              </button>
            `}
        ${this.#file(t("card.another_file"))}
      </div>
    `;
  }

  render() {
    return html`
      <div class="stack">
        <h1 tabindex="-1">${t(`card.title.${this.side}`)}</h1>
        ${this.phase === "live"
          ? html`<p>${t(`card.lead.${this.side}`)}</p>
              ${this.#finder()}`
          : html`${this.picture
                ? html`<img
                    class="taken"
                    src=${this.picture}
                    alt=${t(`card.taken.${this.side}`)}
                    @error=${() => this.#forgetPicture()}
                  />`
                : nothing}
              ${this.#verdict()}`}
      </div>
    `;
  }
}
customElements.define("screen-card", ScreenCard);
