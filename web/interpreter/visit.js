/**
 * The interpreter's part in a call as her page knows it.
 *
 * Contract
 *   const visit = new Visit(); visit.addEventListener("change", render); await visit.open(oneTimeToken | null)
 *   visit.screen   loading, unreachable, link-invalid, signed-out, elsewhere, duty, device, wait, call, end
 *   visit.snapshot (docs/protocol.md, "The interpreter"), visit.service, visit.socket, visit.stream, visit.fault
 *   await visit.bind(); await visit.openDevices(); visit.enter(); await visit.leave(); visit.openHere()
 * Events: "change"; "media" (detail: a message of the server for the call).
 */
import { ApiError, asApiError, get, post } from "../shared/api.js";
import { CameraFault, openMedia, stop } from "../shared/camera.js";
import { redeem } from "../shared/sign-in.js";
import { Socket } from "../shared/socket.js";

const BASE = "/api/interpreter";
const RETRY_MS = 3_000;
const UNAUTHORISED = 401;

/**
 * @typedef {object} Snapshot
 * @property {{id: string, name: string, language: string, duty_version: string, bound: boolean, agreed: boolean | null, ended: string}} interpreter
 * @property {{id: string, applicant_connected: boolean, operator_connected: boolean, recording: boolean} | null} call
 */

export class Visit extends EventTarget {
  constructor() {
    super();
    /** @type {"loading" | "unreachable" | "link-invalid" | "signed-out" | "elsewhere" | null} */
    this.gate = "loading";
    /** @type {{ice_servers: RTCIceServer[], ice_policy: RTCIceTransportPolicy} | null} */
    this.service = null;
    /** @type {Snapshot | null} */
    this.snapshot = null;
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {CameraFault | null} */
    this.fault = null;
    /** @type {ApiError | null} */
    this.failure = null;
    /** She has looked at her own picture and gone on. */
    this.entered = false;
    this.busy = false;
    this.socket = new Socket(`${BASE}/ws`, { mayReconnect: () => this.#stillThere() });
    this.socket.addEventListener("message", (event) => this.#heard(/** @type {CustomEvent} */ (event).detail));
    this.socket.addEventListener("status", () => this.#changed());
    this.socket.addEventListener("bye", (event) => {
      if (/** @type {CustomEvent} */ (event).detail === "opened_elsewhere") this.#close("elsewhere");
    });
  }

  get screen() {
    if (this.gate) return this.gate;
    if (!this.snapshot) return "loading";
    if (this.snapshot.interpreter.ended) return "end";
    if (!this.snapshot.interpreter.bound) return "duty";
    if (!this.entered) return "device";
    return this.snapshot.call ? "call" : "wait";
  }

  /** @param {string | null} token */
  async open(token) {
    try {
      this.service = await get("/api/service");
      this.snapshot = token ? await redeem(token, BASE) : await get(BASE);
    } catch (error) {
      this.#cannotOpen(asApiError(error), token);
      return;
    }
    this.gate = null;
    this.socket.open();
    // After a reload in the middle of the call there is nothing to read and nothing to try.
    if (this.snapshot?.interpreter.bound) {
      this.entered = Boolean(this.snapshot.call);
      await this.openDevices();
    }
    this.#changed();
  }

  /** @param {ApiError} error @param {string | null} token */
  #cannotOpen(error, token) {
    if (error.code === "link_invalid") this.#close("link-invalid");
    else if (error.status === UNAUTHORISED) this.#close("signed-out");
    else {
      this.gate = "unreachable";
      this.#changed();
      setTimeout(() => this.open(token), RETRY_MS);
    }
  }

  /** @param {"link-invalid" | "signed-out" | "elsewhere"} gate */
  #close(gate) {
    this.gate = gate;
    this.#release();
    this.#changed();
  }

  openHere() {
    this.gate = "loading";
    void this.open(null);
  }

  async bind() {
    await this.#run(() => post(`${BASE}/bind`, { duty_version: this.snapshot?.interpreter.duty_version }));
    if (this.snapshot?.interpreter.bound) await this.openDevices();
  }

  async leave() {
    await this.#run(() => post(`${BASE}/leave`, {}));
  }

  /** @param {() => Promise<any>} command */
  async #run(command) {
    this.busy = true;
    this.failure = null;
    this.#changed();
    try {
      this.#take(await command());
    } catch (error) {
      this.failure = asApiError(error);
      this.#take(await get(BASE).catch(() => this.snapshot));
    }
    this.busy = false;
    this.#changed();
  }

  /** Camera and microphone on; what keeps them off is `fault`. */
  async openDevices() {
    stop(this.stream);
    this.stream = null;
    this.fault = null;
    this.#changed();
    try {
      const stream = await openMedia({ facing: "user", audio: true });
      for (const track of stream.getTracks()) track.addEventListener("ended", () => this.#trackEnded(stream));
      this.stream = stream;
      if (this.gate || this.snapshot?.interpreter.ended) this.#release();
    } catch (error) {
      if (!(error instanceof CameraFault)) throw error;
      this.fault = error;
    }
    this.#changed();
  }

  /** @param {MediaStream} stream */
  #trackEnded(stream) {
    if (this.stream !== stream) return;
    stop(stream);
    this.stream = null;
    this.fault = new CameraFault("camera_stopped");
    this.#changed();
  }

  #release() {
    stop(this.stream);
    this.stream = null;
  }

  enter() {
    this.entered = true;
    this.#changed();
  }

  async #stillThere() {
    try {
      this.#take(await get(BASE));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status !== UNAUTHORISED) return true; // no network yet: go on trying
      this.#close("signed-out");
      return false;
    }
    return true;
  }

  /** @param {any} message */
  #heard(message) {
    if (message.type === "state") this.#take(message);
    else if (["answer", "offer_again", "receive"].includes(message.type)) {
      this.dispatchEvent(new CustomEvent("media", { detail: message }));
    }
  }

  /** @param {Snapshot | null} snapshot */
  #take(snapshot) {
    this.snapshot = snapshot;
    if (snapshot?.interpreter.ended) {
      this.#release();
      this.socket.close();
    }
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
