/**
 * The interpreter on the pages of the two between whom she interprets: a second connection, over which this page sends
 * nothing, so that a cheap phone encodes its picture once.
 *
 * Contract
 *   const guest = new Guest(socket); guest.addEventListener("change", render)
 *   guest.follow(third, callId, service)   after each snapshot; third: its `interpreter`, or null
 *   guest.heard(message); guest.again() when the socket has opened again; guest.stop()
 *   guest.admitted   she may be seen and heard now;  guest.remote   MediaStream or null
 */
import { Call } from "./call.js";

/** @typedef {{name: string, language: string, agreed: boolean | null, bound: boolean, connected: boolean, ended: string}} Third */

/** @param {Third | null | undefined} third */
export const isAdmitted = (third) => Boolean(third && !third.ended && third.agreed && third.bound);

export class Guest extends EventTarget {
  /** @param {import("./socket.js").Socket} socket */
  constructor(socket) {
    super();
    this.socket = socket;
    this.admitted = false;
    /** @type {MediaStream | null} */
    this.remote = null;
    /** @type {Call | null} */
    this.call = null;
  }

  /** @param {Third | null | undefined} third @param {string | null | undefined} callId
   * @param {{ice_servers?: RTCIceServer[], ice_policy?: RTCIceTransportPolicy} | null} service */
  follow(third, callId, service) {
    this.admitted = isAdmitted(third) && Boolean(callId);
    if (this.call && (!this.admitted || this.call.id !== callId)) this.stop();
    if (this.call) this.call.otherConnected = third?.connected ?? false;
    // She is there before her picture is asked for: a connection that nothing comes over would be made anew in vain.
    if (this.call || !this.admitted || !third?.connected || !callId) return;
    const call = new Call({
      id: callId,
      stream: new MediaStream(),
      iceServers: service?.ice_servers,
      icePolicy: service?.ice_policy,
      socket: this.socket,
      side: true,
    });
    call.otherConnected = true;
    call.addEventListener("remote", (event) => {
      this.remote = /** @type {CustomEvent} */ (event).detail;
      this.dispatchEvent(new Event("change"));
    });
    this.call = call;
    void call.start();
  }

  /** @param {any} message */
  heard(message) {
    this.call?.heard(message);
  }

  again() {
    void this.call?.start();
  }

  stop() {
    this.call?.stop();
    this.call = null;
    this.remote = null;
    this.dispatchEvent(new Event("change"));
  }
}
