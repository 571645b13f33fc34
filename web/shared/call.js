/**
 * One live call with the server's media (docs/protocol.md, "The WebSocket").
 *
 * Contract
 *   const call = new Call({id: snapshot.call.id, stream, iceServers, icePolicy, socket, layers, side});
 *                                      layers: send in temporal layers where the browser can, so that the server need
 *                                      not decode every picture of the end that it looks at
 *                                      side: the page's second connection, over which it sends nothing
 *   call.start()                       makes a new RTCPeerConnection and sends its offer; call it again whenever the
 *                                      socket has opened again (an offer per reconnect)
 *   call.heard(message)                hand it the server's messages: `answer` (of another call or offer: ignored),
 *                                      `offer_again` (a new connection is made at once), `receive` (shared/receiving.js)
 *   call.otherConnected = bool         whether the snapshot says that the other end is there, so that pictures are due
 *   call.setMuted(true), call.setCamera(false), await call.switchCamera(), call.stop()
 *   events: "remote" detail MediaStream; "status" detail "connecting" | "connected" | "reconnecting";
 *           "quality" detail {code, figures}: code is "good" | "poor_up" | "poor_down" | "no_picture" |
 *           "sound_only_up" (this end's picture is held back, the line is too weak) | "sound_only_down", words are
 *           t("quality." + code); figures {up: {framesPerSecond, width, height, kilobits, lost}, down: {the same},
 *           roundTripMs} for who wants numbers.
 * The stream given stays the caller's; tracks that switchCamera opened replace the ones in it. A connection over which
 * nothing comes any more is made anew without being told: after a second and a half, or when the network changed.
 */
import { watchArrivals } from "./arrivals.js";
import { cameras, openMedia } from "./camera.js";
import { Quality } from "./quality.js";
import { Receiving } from "./receiving.js";
import { Shedding } from "./shedding.js";

const STATISTICS_EVERY_MS = 2_000;
/** After a failure that came at once a new attempt waits a little. */
const FAILED_MS = 1_000;
/** A connection that did not come up in this time is tried anew. */
const CONNECTING_MS = 15_000;
/** One that was there before comes up within a second, or the network is gone again: twice that is believed. */
const RECONNECTING_MS = 5_000;
const QUICK_TRIES = 2;
/** The server reports what arrives each 0.1 s while video is sent; without video each 0.5 to 1.5 s. */
const SILENT_MS = 1_200;
const SILENT_WITHOUT_VIDEO_MS = 3_000;
/** Over a connection that carries nothing either way only ICE's own checks come, one each 2.5 s. */
const SILENT_IDLE_MS = 8_000;
/** Enough for 720p VP8 at 25 frames; above it more bits add nothing that the checks or an eye can use. */
const VIDEO_BITS_PER_SECOND = 1_500_000;
/** Every fourth picture, every second one and all are each a stream of their own. */
const TEMPORAL_LAYERS = "L1T3";

/** Offers of this page, over all its calls: an answer names the one that it is for. */
let attempts = 0;

export class Call extends EventTarget {
  /**
   * @param {{id: string, stream: MediaStream, iceServers?: RTCIceServer[], icePolicy?: RTCIceTransportPolicy,
   *   socket: import("./socket.js").Socket, layers?: boolean, side?: boolean}} options
   */
  constructor({ id, stream, iceServers = [], icePolicy = "all", socket, layers = false, side = false }) {
    super();
    this.id = id;
    this.stream = stream;
    this.iceServers = iceServers;
    this.icePolicy = icePolicy;
    this.socket = socket;
    this.layers = layers;
    this.side = side;
    /** @type {RTCPeerConnection | null} */
    this.peer = null;
    /** The connection before this one: it ends when the server has answered, so that the server sees no parting.
     * @type {RTCPeerConnection | null} */
    this.former = null;
    this.attempt = 0;
    this.stopped = false;
    this.otherConnected = false;
    this.triedFrozen = false;
    this.endWatch = () => {};
    this.networkChanged = () => this.socket.prove();
    /** @type {any} of Chromium alone */ (navigator).connection?.addEventListener?.("change", this.networkChanged);
    /** @type {RTCRtpSender | null} */
    this.videoSender = null;
    /** @type {"connecting" | "connected" | "reconnecting"} */
    this.status = "connecting";
    this.muted = false;
    this.cameraOn = true;
    this.wasConnected = false;
    /** Offers since it was last connected. */
    this.tries = 0;
    this.timers = { healing: 0, statistics: 0 };
    this.quality = new Quality();
    this.shedding = new Shedding();
    this.receiving = this.#receive();
    /** Nothing comes over this page's own connection: the server's engine has one for each direction. */
    this.apart = false;
    this.wasReceiving = false;
  }

  async start() {
    if (this.stopped) return;
    this.#setAside();
    this.#say(this.wasConnected ? "reconnecting" : "connecting");
    const peer = new RTCPeerConnection({
      iceServers: this.iceServers,
      iceTransportPolicy: this.icePolicy,
      bundlePolicy: "max-bundle",
    });
    this.peer = peer;
    const attempt = ++attempts;
    this.attempt = attempt;
    this.tries += 1;
    const remote = new MediaStream();
    peer.ontrack = ({ track }) => {
      this.receiving.close();
      remote.addTrack(track);
      this.dispatchEvent(new CustomEvent("remote", { detail: remote }));
    };
    peer.onicecandidate = ({ candidate }) => {
      this.socket.send({ type: "candidate", call: this.id, candidate: candidate?.toJSON() ?? null, side: this.side });
    };
    peer.onconnectionstatechange = () => this.#changed(peer);
    this.#addTracks(peer);
    try {
      await peer.setLocalDescription();
    } catch (error) {
      if (this.peer === peer) throw error;
    }
    if (this.peer !== peer) return; // stopped or started again meanwhile
    this.socket.send({ type: "offer", call: this.id, sdp: peer.localDescription?.sdp, attempt, side: this.side });
    this.#startAgainIn(this.#patience());
  }

  #receive() {
    const receiving = new Receiving(this);
    receiving.addEventListener("remote", (event) => {
      this.wasReceiving = true;
      this.quality.forget("down", "voice");
      this.dispatchEvent(new CustomEvent("remote", { detail: /** @type {CustomEvent} */ (event).detail }));
    });
    receiving.addEventListener("change", () => this.#sayConnected());
    receiving.addEventListener("lost", () => void this.start());
    return receiving;
  }

  /** @param {{type: string, call?: string, attempt?: number, number?: number, sdp?: string, side?: boolean}} message */
  heard(message) {
    if (message.call !== this.id) return;
    if (message.type === "offer_again") void this.start();
    else if (message.type === "answer") void this.#answered(message);
    else if (message.type === "receive" && message.side === this.side && this.peer) void this.receiving.take(message);
  }

  /** @param {{attempt?: number, sdp?: string}} answer */
  async #answered({ attempt, sdp }) {
    const peer = this.peer;
    if (attempt !== this.attempt || peer?.signalingState !== "have-local-offer") return;
    this.#dropFormer();
    try {
      await peer.setRemoteDescription({ type: "answer", sdp });
      this.apart = peer.getTransceivers().every((one) => one.currentDirection === "sendonly");
    } catch (error) {
      if (this.peer === peer) throw error; // else it was stopped or started again meanwhile
    }
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    for (const track of this.stream.getAudioTracks()) track.enabled = !muted;
  }

  /** @param {boolean} on */
  setCamera(on) {
    this.cameraOn = on;
    for (const track of this.stream.getVideoTracks()) track.enabled = on;
  }

  /** The next camera of the device takes the place of this one. Throws CameraFault; then the old one runs again. */
  async switchCamera() {
    const all = await cameras();
    const [now] = this.stream.getVideoTracks();
    const index = all.findIndex((device) => device.deviceId === now?.getSettings().deviceId);
    const next = all[(index + 1) % all.length];
    if (!next || all.length < 2) return;
    now?.stop(); // phones open one camera at a time
    let wish = { deviceId: next.deviceId };
    try {
      await this.#useCamera(wish);
    } catch (error) {
      wish = { deviceId: all[index]?.deviceId ?? next.deviceId };
      await this.#useCamera(wish);
      throw error;
    }
  }

  /** @param {{deviceId: string}} wish */
  async #useCamera(wish) {
    const [track] = (await openMedia({ ...wish, audio: false })).getVideoTracks();
    track.enabled = this.cameraOn;
    for (const old of this.stream.getVideoTracks()) this.stream.removeTrack(old);
    this.stream.addTrack(track);
    await this.videoSender?.replaceTrack(track);
    this.dispatchEvent(new CustomEvent("camera", { detail: track }));
  }

  stop() {
    this.stopped = true;
    this.#setAside();
    this.#dropFormer();
    this.receiving.close();
    /** @type {any} of Chromium alone */ (navigator).connection?.removeEventListener?.("change", this.networkChanged);
  }

  /** @param {RTCPeerConnection} peer */
  #addTracks(peer) {
    const [audio] = this.stream.getAudioTracks();
    const [video] = this.stream.getVideoTracks();
    const streams = [this.stream];
    peer.addTransceiver(audio ?? "audio", { direction: "sendrecv", streams });
    const encoding = { active: !this.shedding.shed, maxBitrate: VIDEO_BITS_PER_SECOND };
    const transceiver = this.#addVideo(peer, video ?? "video", { direction: "sendrecv", streams }, encoding);
    this.videoSender = transceiver.sender;
    const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
    const vp8 = codecs.filter((codec) => codec.mimeType === "video/VP8");
    if (vp8.length && transceiver.setCodecPreferences) {
      transceiver.setCodecPreferences([...vp8, ...codecs.filter((codec) => !vp8.includes(codec))]);
    }
  }

  /** A browser that knows temporal layers and has no codec for them refuses; one that knows none says nothing.
   * @param {RTCPeerConnection} peer @param {MediaStreamTrack | "video"} video @param {RTCRtpTransceiverInit} options
   * @param {RTCRtpEncodingParameters} encoding */
  #addVideo(peer, video, options, encoding) {
    if (this.layers) {
      try {
        const layered = /** @type {RTCRtpEncodingParameters} */ ({ ...encoding, scalabilityMode: TEMPORAL_LAYERS });
        return peer.addTransceiver(video, { ...options, sendEncodings: [layered] });
      } catch {
        // Whatever else is wrong is wrong without layers too.
      }
    }
    return peer.addTransceiver(video, { ...options, sendEncodings: [encoding] });
  }

  /** @param {RTCPeerConnection} peer */
  #changed(peer) {
    if (this.peer !== peer) return;
    clearTimeout(this.timers.healing);
    if (peer.connectionState === "connected") {
      this.wasConnected = true;
      this.tries = 0;
      this.#sayConnected();
      this.#watch(peer);
      clearInterval(this.timers.statistics);
      this.timers.statistics = setInterval(() => this.#measure(peer), STATISTICS_EVERY_MS);
    } else if (peer.connectionState === "disconnected") {
      void this.start();
    } else if (peer.connectionState === "failed" || peer.connectionState === "closed") {
      this.#say("reconnecting");
      this.#startAgainIn(FAILED_MS);
    } else {
      this.#startAgainIn(this.#patience());
    }
  }

  /** It is when all is up that there is to be. */
  #sayConnected() {
    if (this.peer?.connectionState !== "connected") return;
    const status = this.receiving.state !== "coming" ? "connected" : this.wasReceiving ? "reconnecting" : "connecting";
    if (status !== this.status) this.#say(status);
  }

  #patience() {
    return this.wasConnected && this.tries <= QUICK_TRIES ? RECONNECTING_MS : CONNECTING_MS;
  }

  /** @param {RTCPeerConnection} peer */
  #watch(peer) {
    this.endWatch();
    this.endWatch = watchArrivals(peer, {
      patience: () => this.#silence(),
      doubt: () => this.socket.prove(),
      silent: () => void this.start(),
      pictureDue: () => this.otherConnected,
      frozen: () => this.#frozen(),
      besides: () => this.receiving.peer,
    });
  }

  #silence() {
    if (this.#sendsVideo()) return SILENT_MS;
    return this.side && this.apart ? SILENT_IDLE_MS : SILENT_WITHOUT_VIDEO_MS;
  }

  #sendsVideo() {
    return this.cameraOn && !this.shedding.shed && this.stream.getVideoTracks().length > 0;
  }

  /** One try: an end whose page sleeps sends nothing over the next connection either. */
  #frozen() {
    if (this.triedFrozen) return;
    this.triedFrozen = true;
    void this.start();
  }

  /** @param {number} milliseconds */
  #startAgainIn(milliseconds) {
    clearTimeout(this.timers.healing);
    this.timers.healing = setTimeout(() => this.start(), milliseconds);
  }

  #setAside() {
    clearTimeout(this.timers.healing);
    clearInterval(this.timers.statistics);
    this.endWatch();
    this.receiving.setAside();
    const peer = this.peer;
    this.peer = null;
    this.quality.forget("up", "down", "voice");
    if (!peer) return;
    peer.ontrack = peer.onicecandidate = peer.onconnectionstatechange = null;
    if (peer.connectionState === "connected" && !this.former) this.former = peer;
    else peer.close();
  }

  #dropFormer() {
    this.former?.close();
    this.former = null;
  }

  /** @param {"connecting" | "connected" | "reconnecting"} status */
  #say(status) {
    this.status = status;
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
  }

  /** @param {RTCPeerConnection} peer */
  async #measure(peer) {
    const items = [...(await peer.getStats()).values(), ...(await this.receiving.inbound())];
    if (this.peer !== peer) return;
    const seen = this.quality.look(items);
    if (seen.figures.down.kilobits > 0) this.triedFrozen = false;
    if (this.cameraOn && !this.side) await this.#shedOrSend({ ...seen.line, now: performance.now() });
    const code = this.shedding.shed ? "sound_only_up" : this.quality.judge(seen, this.cameraOn);
    this.dispatchEvent(new CustomEvent("quality", { detail: { code, figures: seen.figures } }));
  }

  /** @param {{kilobits: number | null, audioLoss: number, now: number}} line */
  async #shedOrSend(line) {
    const video = this.shedding.look(line);
    const sender = this.videoSender;
    const parameters = sender?.getParameters();
    const [encoding] = parameters?.encodings ?? [];
    if (!sender || !parameters || !encoding || (encoding.active ?? true) === video) return;
    encoding.active = video;
    await sender.setParameters(parameters);
  }
}
