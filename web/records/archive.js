/**
 * What the page of records knows and asks of the server.
 *
 * Contract
 *   const archive = new Archive(); archive.addEventListener("change", render); await archive.open(oneTimeToken | null)
 *   archive.gate      why there is nothing to show ("loading", "signed_out", ...), or null
 *   archive.listing   {viewer, minutes, records}; archive.record the one that is open; archive.failure an ApiError
 *   await archive.show("session id" | null)    open a record, or go back to the list
 *   archive.calls     calls that a supervisor may watch, asked for anew every few seconds; archive.watched her choice
 *   archive.watch("session id" | null)
 */
import { asApiError, get, post } from "../shared/api.js";
import { OPERATOR as BASE, redeem } from "../shared/sign-in.js";

/** A server that does not answer is asked again this often; the page says so meanwhile. */
const RETRY_MS = 3_000;
const CALLS_MS = 5_000;
const UNAUTHORISED = 401;

/** @param {string} session @param {string} leg @param {number} number */
export const segmentUrl = (session, leg, number) =>
  `${BASE}/records/${encodeURIComponent(session)}/recordings/${leg}/${number}`;

/** @param {string} session @param {string} leg @param {number} attempt */
export const liveUrl = (session, leg, attempt) => `${BASE}/calls/${encodeURIComponent(session)}/${leg}?attempt=${attempt}`;

/** @param {string} session @param {string} sha256 */
export const pictureUrl = (session, sha256) => `${BASE}/records/${encodeURIComponent(session)}/images/${sha256}`;

export class Archive extends EventTarget {
  constructor() {
    super();
    /** @type {"loading" | "signing_in" | "link_invalid" | "signed_out" | "left" | "unreachable" | null} */
    this.gate = "loading";
    /** @type {import("./types.js").Listing | null} */
    this.listing = null;
    /** @type {import("./types.js").RecordView | null} */
    this.record = null;
    /** @type {import("../shared/api.js").ApiError | null} */
    this.failure = null;
    /** The session that is being opened or is open. @type {string | null} */
    this.wanted = null;
    /** @type {import("./types.js").CallRow[]} */
    this.calls = [];
    /** The session whose call is being watched. @type {string | null} */
    this.watched = null;
    this.timer = 0;
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** @param {typeof this.gate} gate */
  #setGate(gate) {
    this.gate = gate;
    this.#changed();
  }

  /** Sign in where there is a one-time token, then show the list. @param {string | null} token */
  async open(token) {
    this.#setGate(token ? "signing_in" : "loading");
    try {
      if (token) await redeem(token);
      this.listing = await get(`${BASE}/records`);
    } catch (thrown) {
      const error = asApiError(thrown);
      if (error.code === "link_invalid") this.#setGate("link_invalid");
      else if (error.status === UNAUTHORISED) this.#setGate("signed_out");
      else {
        this.#setGate("unreachable");
        setTimeout(() => this.open(token), RETRY_MS);
      }
      return;
    }
    this.#setGate(null);
    if (this.listing?.viewer.role === "supervisor") await this.#followCalls();
    if (this.wanted) await this.show(this.wanted);
  }

  /** Which calls go on changes by itself. */
  async #followCalls() {
    clearTimeout(this.timer);
    try {
      this.calls = (await get(`${BASE}/calls`)).calls;
    } catch (thrown) {
      const error = asApiError(thrown);
      if (error.status === UNAUTHORISED) {
        this.#setGate("signed_out");
        return;
      }
    }
    this.timer = setTimeout(() => this.#followCalls(), CALLS_MS);
    this.#changed();
  }

  /** @param {string | null} session */
  watch(session) {
    this.watched = session;
    this.#changed();
  }

  /** @param {string | null} session */
  async show(session) {
    this.wanted = session;
    this.failure = null;
    this.record = null;
    this.#changed();
    if (this.gate) return; // shown once the list is there
    try {
      const path = session ? `${BASE}/records/${encodeURIComponent(session)}` : `${BASE}/records`;
      const answer = await get(path);
      if (this.wanted !== session) return; // somebody chose another one meanwhile
      if (session) this.record = answer;
      else this.listing = answer;
    } catch (thrown) {
      const error = asApiError(thrown);
      if (this.wanted !== session) return;
      if (error.status === UNAUTHORISED) this.gate = "signed_out";
      else this.failure = error;
    }
    this.#changed();
  }

  async signOut() {
    try {
      await post(`${BASE}/sign-out`);
    } catch (thrown) {
      const error = asApiError(thrown);
      if (error.status !== UNAUTHORISED) {
        this.failure = error;
        this.#changed();
        return;
      }
    }
    this.record = this.listing = null;
    this.#setGate("left");
  }
}
