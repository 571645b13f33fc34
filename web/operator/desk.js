/**
 * What the operator's page knows and what it can ask of the server.
 *
 * Contract
 *   const desk = new Desk(); desk.addEventListener("change", render); await desk.open(oneTimeToken | null)
 *   desk.gate        why there is no desk to show ("loading", "link_invalid", "elsewhere", ...), or null
 *   desk.snapshot    the newest snapshot; desk.service the service's settings; desk.link the state of the socket
 *   await desk.run("compare", "POST", "case/compare", body)   one command; true when it was taken. While it runs,
 *                    desk.busy has its name and the same command again is ignored; a failure is desk.failure.
 * Events: "change"; "message" (detail: a socket message that is not a snapshot).
 */
import { ApiError, asApiError, get, post, put } from "../shared/api.js";
import { OPERATOR as BASE, redeem } from "../shared/sign-in.js";
import { Socket } from "../shared/socket.js";

/** Who takes calls; an auditor has a page of her own. */
export const WORKING_ROLES = ["operator", "supervisor"];
/** A server that does not answer is asked again this often; the page says so meanwhile. */
const RETRY_MS = 3_000;
const FORBIDDEN = 403;
const UNAUTHORISED = 401;

/**
 * @typedef {"loading" | "signing_in" | "link_invalid" | "signed_out" | "left" | "elsewhere" | "no_right" | "unreachable"} Gate
 */

export class Desk extends EventTarget {
  constructor() {
    super();
    /** @type {Gate | null} */
    this.gate = "loading";
    /** @type {import("./types.js").Service | null} */
    this.service = null;
    /** @type {import("./types.js").Snapshot | null} */
    this.snapshot = null;
    /** @type {"connecting" | "open" | "lost" | "closed"} */
    this.link = "closed";
    /** @type {Set<string>} */
    this.busy = new Set();
    /** @type {{command: string, error: ApiError} | null} */
    this.failure = null;
    /** Snapshots that came over the socket: an HTTP answer that was overtaken by one is the older of the two. */
    this.heard = 0;
    /** The answer to the command that was taken last. @type {any} */
    this.answer = null;
    this.socket = this.#newSocket();
  }

  #newSocket() {
    const socket = new Socket(`${BASE}/ws`, { mayReconnect: () => this.#stillSignedIn() });
    socket.addEventListener("message", (event) => this.#heard(/** @type {CustomEvent} */ (event).detail));
    socket.addEventListener("status", (event) => {
      this.link = /** @type {CustomEvent} */ (event).detail;
      this.#changed();
    });
    socket.addEventListener("bye", (event) => this.#bye(/** @type {CustomEvent} */ (event).detail));
    return socket;
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** @param {Gate | null} gate */
  #setGate(gate) {
    this.gate = gate;
    this.#changed();
  }

  /** Sign in where there is a one-time token, then show the desk. @param {string | null} token */
  async open(token) {
    this.#setGate(token ? "signing_in" : "loading");
    try {
      this.service = await get("/api/service");
      this.snapshot = token ? await redeem(token) : await get(BASE);
    } catch (error) {
      this.#cannotOpen(asApiError(error), token);
      return;
    }
    this.#setGate(null);
    if (WORKING_ROLES.includes(this.snapshot?.operator.role ?? "")) this.socket.open();
  }

  /** @param {ApiError} error @param {string | null} token */
  #cannotOpen(error, token) {
    if (error.code === "link_invalid") this.#setGate("link_invalid");
    else if (error.status === UNAUTHORISED) this.#setGate("signed_out");
    else if (error.status === FORBIDDEN) this.#setGate("no_right");
    else {
      this.#setGate("unreachable");
      setTimeout(() => this.open(token), RETRY_MS);
    }
  }

  /** Before each new attempt of the socket: a page that is not signed in any more stops trying. */
  async #stillSignedIn() {
    try {
      this.#take(await get(BASE));
      return true;
    } catch (error) {
      const { status } = asApiError(error);
      if (status === UNAUTHORISED) this.#setGate("signed_out");
      else if (status === FORBIDDEN) this.#setGate("no_right");
      return status !== UNAUTHORISED && status !== FORBIDDEN;
    }
  }

  /** @param {any} message */
  #heard(message) {
    if (message.type === "state") {
      this.heard += 1;
      this.#take(message);
    } else this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  /** @param {import("./types.js").Snapshot} snapshot */
  #take(snapshot) {
    this.snapshot = snapshot;
    this.#changed();
  }

  /** @param {string} code */
  #bye(code) {
    if (code === "opened_elsewhere") this.#setGate("elsewhere");
    else if (code === "signed_out" && this.gate !== "left") this.#setGate("signed_out");
  }

  /** After "opened elsewhere": this window takes the desk back. */
  async openHere() {
    await this.open(null);
  }

  async signOut() {
    if (!(await this.run("sign_out", "POST", "sign-out"))) return;
    this.#setGate("left");
    this.socket.close();
    this.snapshot = null;
  }

  /** @param {"ready" | "paused"} availability @param {string} [reason] */
  setAvailability(availability, reason) {
    return this.run("availability", "PUT", "availability", { availability, reason: reason || undefined });
  }

  /**
   * @param {string} command @param {"POST" | "PUT"} method @param {string} path
   * @param {Record<string, unknown>} [body]
   * @returns {Promise<boolean>} whether the server took it
   */
  async run(command, method, path, body = {}) {
    if (this.busy.has(command)) return false;
    this.busy.add(command);
    this.failure = null;
    this.#changed();
    const { heard } = this;
    try {
      const answer = await (method === "PUT" ? put : post)(`${BASE}/${path}`, body);
      this.answer = answer;
      if (answer.type === "state" && this.heard === heard) this.snapshot = answer;
      return true;
    } catch (thrown) {
      const error = asApiError(thrown);
      if (error.status === UNAUTHORISED) {
        this.socket.close();
        this.gate = "signed_out";
      }
      this.failure = { command, error };
      return false;
    } finally {
      this.busy.delete(command);
      this.#changed();
    }
  }

  clearFailure() {
    if (!this.failure) return;
    this.failure = null;
    this.#changed();
  }
}
