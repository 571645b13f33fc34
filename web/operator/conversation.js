/**
 * The operator's own camera and microphone, and the live call they are sent into.
 *
 * Contract
 *   const talk = new Conversation(desk); talk.addEventListener("change", render)
 *   talk.own     {status: "off" | "starting" | "on" | "fault", stream, fault}
 *   talk.remote  MediaStream of the citizen or null; talk.status "connecting" | "connected" | "reconnecting" | null
 *   talk.guest   the interpreter (shared/guest.js)
 *   talk.quality {code, figures} or null; talk.muted
 *   await talk.startOwn() -> whether camera and microphone run; talk.follow() after each snapshot; talk.toggleMute()
 * Devices run only while a citizen may come or is there: between calls in a pause the camera's light is off.
 */
import { Call } from "../shared/call.js";
import { CameraFault, openMedia, stop } from "../shared/camera.js";
import { Guest } from "../shared/guest.js";

export class Conversation extends EventTarget {
  /** @param {import("./desk.js").Desk} desk */
  constructor(desk) {
    super();
    this.desk = desk;
    this.guest = new Guest(desk.socket);
    this.guest.addEventListener("change", () => this.#changed());
    /** @type {{status: "off" | "starting" | "on" | "fault", stream: MediaStream | null, fault: CameraFault | null}} */
    this.own = { status: "off", stream: null, fault: null };
    /** @type {Call | null} */
    this.call = null;
    /** @type {MediaStream | null} */
    this.remote = null;
    /** @type {{code: string, figures: any} | null} */
    this.quality = null;
    this.muted = false;
    this.pausedForFault = false;
    /** @type {Promise<boolean> | null} */
    this.starting = null;
    this.lastLink = "closed";
    desk.addEventListener("message", (event) => this.#heard(/** @type {CustomEvent} */ (event).detail));
  }

  get status() {
    return this.call?.status ?? null;
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** Camera and microphone on; false when they cannot be. */
  startOwn() {
    if (this.own.status === "on") return Promise.resolve(true);
    this.starting ??= this.#openOwn().finally(() => (this.starting = null));
    return this.starting;
  }

  async #openOwn() {
    this.own = { status: "starting", stream: null, fault: null };
    this.#changed();
    try {
      const stream = await openMedia({ facing: "user", audio: true });
      for (const track of stream.getTracks()) track.addEventListener("ended", () => this.#trackEnded(stream));
      this.own = { status: "on", stream, fault: null };
      this.pausedForFault = false;
      this.#applyMute();
    } catch (error) {
      if (!(error instanceof CameraFault)) throw error;
      this.own = { status: "fault", stream: null, fault: error };
    }
    this.#changed();
    this.follow();
    return this.own.status === "on";
  }

  /** A device was unplugged or taken away. @param {MediaStream} stream */
  #trackEnded(stream) {
    if (this.own.stream !== stream) return;
    stop(stream);
    this.#endCall();
    this.own = { status: "fault", stream: null, fault: new CameraFault("camera_stopped") };
    this.#changed();
    this.follow();
  }

  #releaseOwn() {
    if (this.own.status !== "on") return;
    stop(this.own.stream);
    this.own = { status: "off", stream: null, fault: null };
    this.#changed();
  }

  /** Does what the newest snapshot asks for: devices on or off, a call begun, begun again, or ended. */
  follow() {
    const { snapshot, link, gate } = this.desk;
    const reopened = link === "open" && this.lastLink !== "open";
    this.lastLink = link;
    if (!snapshot || gate) {
      this.#endCall();
      this.#releaseOwn();
      return;
    }
    const callId = snapshot.case?.call_id ?? null;
    if (this.call && this.call.id !== callId) this.#endCall();
    const ready = snapshot.operator.availability === "ready";
    if (!callId && !ready) {
      if (!this.starting) this.#releaseOwn();
      return;
    }
    if (this.own.status === "off") void this.startOwn();
    if (this.own.status === "fault" && !callId) void this.#pauseForFault();
    if (this.own.status !== "on" || !callId || link !== "open") return;
    if (this.call) this.call.otherConnected = snapshot.case?.applicant_connected ?? false;
    if (!this.call) this.#beginCall(callId);
    else if (reopened) {
      void this.call.start();
      this.guest.again();
    }
    this.guest.follow(snapshot.case?.interpreter, callId, this.desk.service);
  }

  async #pauseForFault() {
    if (this.pausedForFault) return;
    this.pausedForFault = true;
    await this.desk.setAvailability("paused", "technical");
  }

  /** @param {string} id */
  #beginCall(id) {
    if (!this.own.stream) return;
    const call = new Call({
      id,
      stream: this.own.stream,
      iceServers: this.desk.service?.ice_servers ?? [],
      icePolicy: this.desk.service?.ice_policy,
      socket: this.desk.socket,
    });
    this.call = call;
    this.remote = null;
    this.quality = null;
    call.addEventListener("remote", (event) => {
      this.remote = /** @type {CustomEvent} */ (event).detail;
      this.#changed();
    });
    call.addEventListener("status", () => this.#changed());
    call.addEventListener("quality", (event) => {
      this.quality = /** @type {CustomEvent} */ (event).detail;
      this.#changed();
    });
    this.#applyMute();
    void call.start();
  }

  #endCall() {
    this.guest.stop();
    if (!this.call) return;
    this.call.stop();
    this.call = null;
    this.remote = null;
    this.quality = null;
    this.muted = false;
    this.#applyMute();
    this.#changed();
  }

  /** @param {any} message */
  #heard(message) {
    this.call?.heard(message);
    this.guest.heard(message);
  }

  toggleMute() {
    this.muted = !this.muted;
    this.#applyMute();
    this.#changed();
  }

  #applyMute() {
    if (this.call) this.call.setMuted(this.muted);
    else for (const track of this.own.stream?.getAudioTracks() ?? []) track.enabled = !this.muted;
  }
}
