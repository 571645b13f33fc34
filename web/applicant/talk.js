/** <screen-talk>: the call, from being matched until the decision is sealed. Fires "leave" and "help". */
import { asApiError } from "../shared/api.js";
import { Call } from "../shared/call.js";
import { CameraFault, cameras, openMedia, stop } from "../shared/camera.js";
import "../shared/chat.js";
import { Guest, isAdmitted } from "../shared/guest.js";
import { code, has, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { announce, notice } from "../shared/parts.js";
import { play, show } from "../shared/playing.js";
import "./challenge.js";
import { Screen } from "./screen.js";

class ScreenTalk extends Screen {
  static properties = {
    status: { state: true },
    quality: { state: true },
    fault: { state: true },
    muted: { state: true },
    cameraOn: { state: true },
    several: { state: true },
    chatOpen: { state: true },
    silent: { state: true },
    mirrored: { state: true },
    thirdLarge: { state: true },
    answering: { state: true },
  };

  constructor() {
    super();
    /** @type {"connecting" | "connected" | "reconnecting"} */
    this.status = "connecting";
    this.quality = "good";
    /** @type {CameraFault | null} */
    this.fault = null;
    this.muted = false;
    this.cameraOn = true;
    this.several = false;
    this.chatOpen = false;
    /** The browser waits for a touch before it plays sound. */
    this.silent = false;
    this.mirrored = true;
    this.read = 0;
    /** The interpreter's picture stands in the large place: who reads signs needs it there. */
    this.thirdLarge = false;
    this.answering = false;
    /** @type {Guest | null} */
    this.guest = null;
    this.thirdWas = "";
    /** @type {Call | null} */
    this.call = null;
    /** @type {MediaStream | null} */
    this.stream = null;
    this.opening = false;
    this.said = "";
    this.message = (/** @type {Event} */ event) => {
      this.call?.heard(/** @type {CustomEvent} */ (event).detail);
      this.guest?.heard(/** @type {CustomEvent} */ (event).detail);
    };
    /** The size that the service asked for last, as it was written; null: none. */
    this.size = "null";
    /** @type {MediaTrackConstraints | null} */
    this.usual = null;
    this.join = () => {
      this.#join();
      this.#followThird();
      void this.#resize();
    };
    this.reconnect = (/** @type {Event} */ event) => {
      if (/** @type {CustomEvent} */ (event).detail !== "open") return;
      void this.call?.start();
      this.guest?.again();
    };
  }

  connectedCallback() {
    super.connectedCallback();
    this.read = this.journey.snapshot?.messages.length ?? 0;
    this.guest = new Guest(this.journey.socket);
    this.guest.addEventListener("change", () => this.requestUpdate());
    this.journey.addEventListener("change", this.join);
    this.journey.addEventListener("media", this.message);
    this.journey.socket.addEventListener("status", this.reconnect);
    void this.#openMedia();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.journey.removeEventListener("change", this.join);
    this.journey.removeEventListener("media", this.message);
    this.journey.socket.removeEventListener("status", this.reconnect);
    this.guest?.stop();
    this.call?.stop();
    this.call = null;
    stop(this.stream);
    this.stream = null;
  }

  get #third() {
    return this.journey.snapshot?.call?.interpreter ?? null;
  }

  #followThird() {
    const third = this.#third;
    this.guest?.follow(third, this.call?.id, this.journey.service);
    const now = !third ? "" : third.ended ? "over" : third.agreed === null ? "asked" : "there";
    if (now === "asked" && this.thirdWas !== now) announce(t("third.ask.title"));
    if (now === "over" && this.thirdWas === "there") announce(t("third.left"));
    if (now !== "there") this.thirdLarge = false;
    this.thirdWas = now;
  }

  updated() {
    const video = /** @type {HTMLVideoElement | null} */ (this.querySelector(".talk__third-video"));
    if (video && this.guest && video.srcObject !== this.guest.remote) void this.#showThird(video, this.guest.remote);
  }

  /** @param {HTMLVideoElement} video @param {MediaStream | null} stream */
  async #showThird(video, stream) {
    if (!(await show(video, stream))) this.silent = true;
  }

  /** @param {boolean} agree */
  async #answer(agree) {
    this.answering = true;
    try {
      await this.journey.answerInterpreter(agree);
    } catch (error) {
      announce(asApiError(error).words());
      await this.journey.refresh();
    }
    this.answering = false;
  }

  #askForThird() {
    const third = this.#third;
    if (!third || third.ended || third.agreed !== null) return nothing;
    const language = code("interpreted", third.language);
    return html`
      <section class="talk__ask stack" role="alertdialog" aria-labelledby="third-title" data-testid="third-ask">
        <h2 id="third-title">${t("third.ask.title")}</h2>
        <p>${t("third.ask.who", { name: third.name, language })}</p>
        <p>${t("third.ask.sees")} ${t("third.ask.free")}</p>
        <div class="talk__ask-buttons">
          <button type="button" class="button" data-testid="third-yes" ?disabled=${this.answering} @click=${() => this.#answer(true)}>
            ${t("third.ask.yes")}
          </button>
          <button type="button" class="button button--secondary" data-testid="third-no" ?disabled=${this.answering} @click=${() => this.#answer(false)}>
            ${t("third.ask.no")}
          </button>
        </div>
      </section>
    `;
  }

  #thirdPicture() {
    const third = this.#third;
    if (!third || !isAdmitted(third)) return nothing;
    const words = t(this.thirdLarge ? "third.small" : "third.large");
    return html`
      <button
        type="button"
        class="talk__third"
        title=${words}
        aria-label=${words}
        aria-pressed=${String(this.thirdLarge)}
        data-testid="third"
        data-connected=${third.connected}
        @click=${() => (this.thirdLarge = !this.thirdLarge)}
      >
        <video
          class="talk__third-video ${third.connected ? "" : "talk__remote--stale"}"
          autoplay
          playsinline
          data-testid="third-video"
        ></video>
        <span class="talk__third-name">${t("third.name", { name: third.name })}</span>
        ${third.connected ? nothing : html`<span class="talk__third-word">${t(this.guest?.remote ? "third.lost" : "third.wait")}</span>`}
      </button>
    `;
  }

  #thirdPresence() {
    const third = this.#third;
    if (third?.agreed && third.ended) return html`<p data-testid="third-left">${icon("person")}<span>${t("third.left")}</span></p>`;
    if (!isAdmitted(third)) return nothing;
    return html`<p data-testid="present-interpreter">
      ${icon("person")}<span>${t(third?.connected ? "third.here" : "third.wait")}</span>
      <button type="button" class="talk__third-end" title=${t("third.end")} aria-label=${t("third.end")} data-testid="third-end" ?disabled=${this.answering} @click=${() => this.#answer(false)}>
        ${icon("cross")}
      </button>
    </p>`;
  }

  async #openMedia() {
    if (this.opening) return;
    this.opening = true;
    this.fault = null;
    try {
      const stream = await openMedia({ facing: "user", audio: "wanted" });
      if (!this.isConnected) return stop(stream);
      this.stream = stream;
      this.several = (await cameras()).length > 1;
      await this.updateComplete;
      this.#showSelf();
      this.join();
    } catch (error) {
      if (!(error instanceof CameraFault)) throw error;
      this.fault = error;
    } finally {
      this.opening = false;
    }
  }

  #showSelf() {
    const video = /** @type {HTMLVideoElement | null} */ (this.querySelector(".talk__self"));
    if (!video || !this.stream) return;
    video.srcObject = this.stream;
    const [track] = this.stream.getVideoTracks();
    this.mirrored = track?.getSettings().facingMode !== "environment";
    if (!track) return;
    track.onended = () => {
      this.fault = new CameraFault("camera_stopped");
    };
  }

  /** A call that the snapshot shows and this page is not in: offer. */
  #join() {
    const current = this.journey.snapshot?.call;
    if (this.call && current) this.call.otherConnected = current.peer_connected;
    if (!current?.id || !this.stream || this.call?.id === current.id) return;
    this.call?.stop();
    const call = new Call({
      id: current.id,
      stream: this.stream,
      iceServers: this.journey.service?.ice_servers,
      icePolicy: this.journey.service?.ice_policy,
      socket: this.journey.socket,
      layers: true,
    });
    this.call = call;
    call.muted = this.muted;
    call.cameraOn = this.cameraOn;
    call.addEventListener("remote", (event) => void this.#showRemote(/** @type {CustomEvent} */ (event).detail));
    call.addEventListener("status", (event) => {
      this.status = /** @type {CustomEvent} */ (event).detail;
      if (this.status === "connected") this.#tellCamera();
    });
    call.addEventListener("quality", (event) => {
      this.quality = /** @type {CustomEvent} */ (event).detail.code;
    });
    call.addEventListener("camera", () => {
      this.usual = null;
      this.#showSelf();
      this.#tellCamera();
    });
    void call.start();
  }

  /** Which camera sends, and whether it can change its picture's size while it runs. */
  #tellCamera() {
    const [track] = this.stream?.getVideoTracks() ?? [];
    if (!track || !this.call) return;
    const { resizeMode = [] } = /** @type {{resizeMode?: string[]}} */ (track.getCapabilities?.() ?? {});
    const resizes = resizeMode.includes("crop-and-scale");
    this.journey.socket.send({ type: "camera", call: this.call.id, label: track.label.slice(0, 200), resizes });
  }

  /** The service asks for another size of picture for a moment, to see that the camera answers; then as it was. */
  async #resize() {
    const wish = this.journey.snapshot?.call?.camera ?? null;
    const [track] = this.stream?.getVideoTracks() ?? [];
    const said = JSON.stringify(wish);
    if (!track || said === this.size) return;
    this.size = said;
    this.usual ??= track.getConstraints();
    const { width, height } = wish ?? {};
    try {
      await track.applyConstraints(
        wish ? { width: { exact: width }, height: { exact: height }, resizeMode: "crop-and-scale" } : this.usual,
      );
    } catch (error) {
      // A camera that cannot is not at fault: the service sees that no such picture came.
      if (!(error instanceof DOMException)) throw error;
    }
  }

  /** @param {MediaStream} stream */
  async #showRemote(stream) {
    const video = /** @type {HTMLVideoElement} */ (this.querySelector(".talk__remote"));
    if (video.srcObject !== stream) video.srcObject = stream;
    await this.#play();
  }

  async #play() {
    const video = /** @type {HTMLVideoElement} */ (this.querySelector(".talk__remote"));
    video.muted = false;
    const plays = await play(video);
    if (plays === null) return;
    const third = /** @type {HTMLVideoElement | null} */ (this.querySelector(".talk__third-video"));
    this.silent = !plays || Boolean(third && !(await show(third, this.guest?.remote ?? null)));
  }

  #toggleMuted() {
    this.muted = !this.muted;
    this.call?.setMuted(this.muted);
    announce(t(this.muted ? "talk.muted" : "talk.unmuted"));
  }

  #toggleCamera() {
    this.cameraOn = !this.cameraOn;
    this.call?.setCamera(this.cameraOn);
    announce(t(this.cameraOn ? "talk.camera_is_on" : "talk.camera_is_off"));
  }

  async #switchCamera() {
    try {
      await this.call?.switchCamera();
    } catch (error) {
      if (!(error instanceof CameraFault)) throw error;
      announce(error.words());
    }
  }

  async #toggleChat() {
    this.chatOpen = !this.chatOpen;
    await this.updateComplete;
    if (this.chatOpen) /** @type {HTMLElement | null} */ (this.querySelector(".chat__line"))?.focus();
  }

  get unread() {
    const messages = this.journey.snapshot?.messages ?? [];
    if (this.chatOpen) this.read = messages.length;
    return messages.slice(this.read).filter((message) => message.sender === "operator").length;
  }

  /** The one line over the picture: what is wrong, else what is asked. */
  #request() {
    const { snapshot } = this.journey;
    const call = snapshot?.call;
    if (snapshot?.state === "deciding") return t("talk.deciding");
    if (this.status !== "connected") return t(`media.${this.status}`);
    if (!call?.peer_connected) return t("talk.other_absent");
    const [guidance] = call.guidance ?? [];
    if (guidance && has(`guidance.${guidance}`)) return code("guidance", guidance);
    return t(call.step && has(`talk.step.${call.step}`) ? `talk.step.${call.step}` : "talk.step.none");
  }

  #connectionWords() {
    if (this.status !== "connected") return nothing;
    const other = this.journey.snapshot?.call?.peer_connected;
    if (this.quality === "no_picture" && !other) return nothing;
    return html`<p
      class="talk__quality ${this.quality === "good" ? "" : "talk__quality--poor"}"
      role="status"
      data-testid="call-quality"
      data-quality=${this.quality}
    >
      ${icon(this.quality === "good" ? "network" : "warning")}<span>${t(`quality.${this.quality}`)}</span>
    </p>`;
  }

  /** @param {{name: Parameters<typeof icon>[0], words: string, testid: string, pressed?: boolean, badge?: number, kind?: string}} button
   * @param {() => void} act */
  #control({ name, words, testid, pressed, badge = 0, kind = "" }, act) {
    return html`
      <button
        type="button"
        class="control ${kind} ${pressed ? "control--pressed" : ""}"
        data-testid=${testid}
        aria-pressed=${pressed === undefined ? nothing : String(pressed)}
        @click=${act}
      >
        <span class="control__sign">${icon(name)}${badge ? html`<span class="control__badge numbers">${badge}</span>` : nothing}</span>
        <span class="control__words">${words}${badge ? html`<span class="hidden-visually">, ${t("talk.unread", { count: badge })}</span>` : nothing}</span>
      </button>
    `;
  }

  render() {
    const { snapshot } = this.journey;
    const call = snapshot?.call;
    const name = call?.operator_name ?? "";
    const request = this.#request();
    return html`
      <div class="talk ${this.chatOpen ? "talk--chat" : ""}">
        <h1 class="talk__title" tabindex="-1">
          <span>${t("talk.title")}</span> <span class="talk__name" data-testid="operator-name">${name}</span>
        </h1>
        <button type="button" class="talk__help" data-testid="help" @click=${() => this.dispatchEvent(new Event("help"))}>
          ${icon("help")}<span>${t("help.open")}</span>
        </button>
        <div class="talk__stage ${this.thirdLarge ? "talk__stage--third-large" : ""}">
          <video
            class="talk__remote ${this.status === "reconnecting" ? "talk__remote--stale" : ""}"
            autoplay
            playsinline
            data-testid="call-remote"
            aria-label=${t("talk.remote")}
          ></video>
          ${this.status === "reconnecting" || (this.status === "connected" && call?.peer_connected)
            ? nothing
            : html`<div class="talk__nobody" aria-hidden="true">${icon("person")}</div>`}
          ${this.#thirdPicture()}
          <div class="talk__own ${this.cameraOn ? "" : "talk__own--off"}">
            <video
              class="talk__self ${this.mirrored ? "talk__self--mirrored" : ""}"
              autoplay
              muted
              playsinline
              data-testid="call-self"
              aria-label=${t("talk.self")}
            ></video>
            ${this.cameraOn ? nothing : html`<span class="talk__own-off">${icon("camera_off")}</span>`}
          </div>
          ${this.#connectionWords()}
          ${this.silent
            ? html`<button type="button" class="button button--main talk__sound" data-testid="play-sound" @click=${this.#play}>
                ${icon("sound")}${t("talk.play")}
              </button>`
            : nothing}
          <div class="talk__foot">
            <div class="talk__recording" role="status">
              ${call?.recording ? html`<p>${icon("record")}<span>${t("talk.recording")}</span></p>` : nothing}
              ${(call?.others ?? []).map((role) => html`<p data-testid="present-${role}">${icon("eye")}<span>${code("present", role)}</span></p>`)}
              ${this.#thirdPresence()}
            </div>
            <div class="talk__request" role="status" data-testid="call-request" data-status=${this.status} data-step=${call?.step ?? ""}>
              ${this.fault
                ? html`${notice("bad", this.fault.words(), { testid: "device-fault" })}
                    <button type="button" class="button button--wide" @click=${this.#openAgain}>${t("common.try_again")}</button>`
                : html`<p>${request}</p>`}
            </div>
          </div>
          ${call?.prompt && this.status === "connected" && !this.fault
            ? html`<betpe-challenge .prompt=${call.prompt} .stream=${this.stream} .mirrored=${this.mirrored}></betpe-challenge>`
            : nothing}
          ${this.#askForThird()}
        </div>
        ${this.chatOpen
          ? html`
              <section class="talk__chat" aria-label=${t("talk.chat")}>
                <button type="button" class="button button--plain" data-testid="chat-close" @click=${this.#toggleChat}>
                  ${icon("cross")}${t("talk.chat_close")}
                </button>
                <betpe-chat
                  own="applicant"
                  .otherName=${name}
                  .messages=${snapshot?.messages ?? []}
                  .socket=${this.journey.socket}
                ></betpe-chat>
              </section>
            `
          : nothing}
        <div class="talk__controls" role="group" aria-label=${t("talk.controls")}>
          ${this.#control(
            { name: this.muted ? "microphone_off" : "microphone", words: t("talk.microphone"), testid: "mute", pressed: this.muted },
            () => this.#toggleMuted(),
          )}
          ${this.#control(
            { name: this.cameraOn ? "camera" : "camera_off", words: t("talk.camera"), testid: "camera-off", pressed: !this.cameraOn },
            () => this.#toggleCamera(),
          )}
          ${this.several
            ? this.#control({ name: "camera_switch", words: t("talk.switch"), testid: "camera-switch" }, () => void this.#switchCamera())
            : nothing}
          ${this.#control({ name: "chat", words: t("talk.chat"), testid: "chat-open", badge: this.unread }, () => void this.#toggleChat())}
          ${this.#control({ name: "leave", words: t("talk.leave"), testid: "leave", kind: "control--leave" }, () =>
            this.dispatchEvent(new Event("leave")),
          )}
        </div>
      </div>
    `;
  }

  /** After a fault: the camera again, and the new tracks into the running call. */
  async #openAgain() {
    this.call?.stop();
    this.call = null;
    stop(this.stream);
    this.stream = null;
    await this.#openMedia();
  }
}
customElements.define("screen-talk", ScreenTalk);
