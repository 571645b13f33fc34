/**
 * The connection over which a page receives the other end, where the server's engine carries each direction over one of
 * its own: the server offers it (docs/protocol.md, `receive`). A later one takes an earlier one's place once it is up.
 *
 * Contract
 *   const receiving = new Receiving({id, side, iceServers, icePolicy, socket});
 *   await receiving.take({number, sdp})   makes the connection of a `receive`, and answers it
 *   receiving.state          "none" | "coming" | "up"
 *   receiving.peer           RTCPeerConnection of what is seen, or null
 *   await receiving.inbound()   its statistics of what came, none where nothing is seen
 *   receiving.setAside()     the page makes its own connection anew: what is seen stays until the next one is up
 *   receiving.close()
 *   events: "remote" detail MediaStream, when a connection is up; "change" when the state may be another; "lost" when
 *           the newest connection is gone, or did not come up: only a new offer of the page helps.
 */

/** The server offers it when both ends are there, so that it needs what ICE and DTLS need on a slow line. */
const COMING_MS = 15_000;
/** Where it is the server that sees it fail, it offers another one after a second. */
const FAILED_MS = 2_000;

export class Receiving extends EventTarget {
  /** @param {{id: string, side: boolean, iceServers: RTCIceServer[], icePolicy: RTCIceTransportPolicy,
   *   socket: import("./socket.js").Socket}} options */
  constructor({ id, side, iceServers, icePolicy, socket }) {
    super();
    this.id = id;
    this.side = side;
    this.iceServers = iceServers;
    this.icePolicy = icePolicy;
    this.socket = socket;
    /** @type {RTCPeerConnection | null} */
    this.coming = null;
    /** @type {RTCPeerConnection | null} */
    this.peer = null;
    /** What was seen when the page began anew. @type {RTCPeerConnection | null} */
    this.former = null;
    this.timer = 0;
  }

  /** @returns {"none" | "coming" | "up"} */
  get state() {
    if (this.peer?.connectionState === "connected") return "up";
    return this.coming || this.peer ? "coming" : "none";
  }

  /** @param {{number?: number, sdp?: string}} offer */
  async take({ number, sdp }) {
    end(this.coming);
    const peer = new RTCPeerConnection({
      iceServers: this.iceServers,
      iceTransportPolicy: this.icePolicy,
      bundlePolicy: "max-bundle",
    });
    this.coming = peer;
    const about = { call: this.id, side: this.side };
    const stream = new MediaStream();
    peer.ontrack = ({ track }) => stream.addTrack(track);
    peer.onicecandidate = ({ candidate }) => {
      this.socket.send({ type: "candidate", ...about, receiving: number, candidate: candidate?.toJSON() ?? null });
    };
    peer.onconnectionstatechange = () => this.#changed(peer, stream);
    this.#lostIn(COMING_MS);
    this.dispatchEvent(new Event("change"));
    try {
      await peer.setRemoteDescription({ type: "offer", sdp });
      await peer.setLocalDescription();
    } catch (error) {
      if (this.coming === peer) throw error;
    }
    if (this.coming !== peer) return; // another took its place, or the page began anew
    this.socket.send({ type: "received", ...about, number, sdp: peer.localDescription?.sdp });
  }

  /** @returns {Promise<any[]>} */
  async inbound() {
    const report = await this.peer?.getStats();
    return [...(report?.values() ?? [])].filter((item) => item.type === "inbound-rtp");
  }

  setAside() {
    clearTimeout(this.timer);
    end(this.coming);
    this.coming = null;
    if (!this.peer) return;
    end(this.former);
    this.former = this.peer;
    this.former.onconnectionstatechange = this.former.onicecandidate = null;
    this.peer = null;
  }

  close() {
    this.setAside();
    end(this.former);
    this.former = null;
  }

  /** @param {RTCPeerConnection} peer @param {MediaStream} stream */
  #changed(peer, stream) {
    if (peer !== (this.coming ?? this.peer)) return;
    if (peer.connectionState === "connected") {
      clearTimeout(this.timer);
      if (peer === this.coming) this.#show(peer, stream);
    } else if (peer.connectionState === "disconnected") {
      this.#lostIn(0);
    } else if (peer.connectionState === "failed" || peer.connectionState === "closed") {
      this.#lostIn(FAILED_MS);
    }
    this.dispatchEvent(new Event("change"));
  }

  /** @param {RTCPeerConnection} peer @param {MediaStream} stream */
  #show(peer, stream) {
    const before = [this.peer, this.former];
    this.peer = peer;
    this.coming = this.former = null;
    this.dispatchEvent(new CustomEvent("remote", { detail: stream }));
    before.forEach(end);
  }

  /** @param {number} milliseconds */
  #lostIn(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.dispatchEvent(new Event("lost")), milliseconds);
  }
}

/** @param {RTCPeerConnection | null} peer */
function end(peer) {
  if (!peer) return;
  peer.ontrack = peer.onicecandidate = peer.onconnectionstatechange = null;
  peer.close();
}
