/** <screen-specimen>: demonstration only. A card marked SPECIMEN with the face in a picture just taken. */
import { asApiError } from "../shared/api.js";
import { CameraFault, openMedia, stop } from "../shared/camera.js";
import { t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { errorSummary, notice, spinner } from "../shared/parts.js";
import { fromFile, fromVideo } from "./picture.js";
import { Screen } from "./screen.js";

class ScreenSpecimen extends Screen {
  static properties = {
    busy: { state: true },
    live: { state: true },
    error: { state: true },
    fault: { state: true },
  };

  constructor() {
    super();
    this.busy = false;
    this.live = false;
    /** @type {import("./screen.js").Fault | null} */
    this.error = null;
    /** @type {CameraFault | null} */
    this.fault = null;
    /** @type {MediaStream | null} */
    this.stream = null;
  }

  connectedCallback() {
    super.connectedCallback();
    void this.#openCamera();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    stop(this.stream);
  }

  async #openCamera() {
    this.fault = null;
    try {
      const stream = await openMedia({ facing: "user", audio: false });
      if (!this.isConnected) return stop(stream);
      this.stream = stream;
    } catch (error) {
      if (!(error instanceof CameraFault)) throw error;
      this.fault = error;
      return;
    }
    await this.updateComplete;
    const video = this.#video();
    video.srcObject = this.stream;
    video.onplaying = () => (this.live = true);
  }

  #video() {
    return /** @type {HTMLVideoElement} */ (this.querySelector("video"));
  }

  async #shoot() {
    await this.#make(await fromVideo(this.#video()));
  }

  /** @param {Event} event */
  async #choose(event) {
    const input = /** @type {HTMLInputElement} */ (event.target);
    const file = input.files?.[0];
    input.value = "";
    if (file) await this.#make(await fromFile(file));
  }

  /** @param {Blob} selfie */
  async #make(selfie) {
    this.busy = true;
    this.error = null;
    try {
      const readings = await this.journey.makeSpecimen(selfie);
      if (readings.front.usable && readings.back.usable) return this.journey.go("check");
      this.error = { words: () => t("specimen.unusable") };
    } catch (error) {
      this.error = asApiError(error);
    } finally {
      this.busy = false;
    }
  }

  render() {
    return html`
      <div class="stack">
        ${errorSummary(this.error ? [{ text: this.error.words() }] : [])}
        <h1 tabindex="-1">${t("specimen.title")}</h1>
        <p>${t("specimen.lead")}</p>
        <div class="mirror ${this.live ? "mirror--on" : ""}">
          <video class="mirror__video" autoplay muted playsinline aria-label=${t("device.preview")}></video>
          <div class="mirror__oval" aria-hidden="true"></div>
          ${this.live ? nothing : html`<div class="mirror__none">${icon("camera")}</div>`}
        </div>
        ${this.fault ? notice("bad", this.fault.words(), { testid: "device-fault" }) : nothing}
        ${this.busy ? html`<div class="action action--stay">${spinner(t("specimen.making"))}</div>` : this.#actions()}
      </div>
    `;
  }

  #actions() {
    return html`
      <div class="action action--stay">
        <button
          type="button"
          class="button button--main button--wide"
          data-testid="make-specimen"
          ?disabled=${!this.live}
          @click=${this.#shoot}
        >
          ${icon("photo")}${t("specimen.make")}
        </button>
      </div>
      <div class="action">
        <label class="button button--secondary button--wide file">
          ${icon("file")}<span>${t("card.file")}</span>
          <input type="file" class="file__input" accept="image/*" data-testid="file-selfie" @change=${this.#choose} />
        </label>
        <button
          type="button"
          class="button button--plain button--wide"
          @click=${() => this.journey.go("card-front")}
        >
          ${t("specimen.own")}
        </button>
      </div>
    `;
  }
}
customElements.define("screen-specimen", ScreenSpecimen);
