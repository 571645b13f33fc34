/**
 * The WebSocket of a page, which comes back by itself.
 *
 * Contract
 *   const socket = new Socket("/api/session/ws", {mayReconnect: async () => true});
 *   socket.addEventListener("message", (event) => event.detail)   one message of the server (docs/protocol.md)
 *   socket.addEventListener("status", (event) => event.detail)    "connecting" | "open" | "lost" | "closed"
 *   socket.addEventListener("bye", (event) => event.detail)       the server's code; after it no reconnect, except
 *                                                                 after server_stopping
 *   socket.open(); socket.send({type: "ping"}) -> whether it went; await socket.roundTrip() -> milliseconds; socket.close()
 *   socket.prove()   there is reason to doubt it: unless the server answers within a moment, a new one is made at once
 *
 * `mayReconnect` is asked before every attempt but the first (it must not throw): a page whose session is gone says false.
 * Pauses grow from 0.5 s to 8 s with jitter (docs/protocol.md); the network coming back, or the page being shown
 * again, tries at once, and doubts a connection that is still called open.
 */

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8_000;
/** A phone's network can die without a word: ask when nothing came for this long, give up after as much again. */
const QUIET_MS = 12_000;
/** Three round trips on a bad mobile network; a connection that is given up wrongly costs as much again. */
const PROVE_MS = 700;
/** After a change of network an attempt can be sent into nothing; the browser itself would wait for minutes. */
const OPENING_MS = 3_000;

export class Socket extends EventTarget {
  /** @param {string} path @param {{mayReconnect?: () => Promise<boolean>}} [options] */
  constructor(path, { mayReconnect = async () => true } = {}) {
    super();
    this.path = path;
    this.mayReconnect = mayReconnect;
    /** @type {"connecting" | "open" | "lost" | "closed"} */
    this.status = "closed";
    /** @type {WebSocket | null} */
    this.connection = null;
    this.attempts = 0;
    this.timer = 0;
    this.watchdog = 0;
    this.proving = 0;
    this.opening = 0;
    this.lastHeard = 0;
    this.wanted = false;
    this.onlineAgain = () => this.#retryNow();
    this.shownAgain = () => document.visibilityState === "visible" && this.#retryNow();
  }

  open() {
    if (this.wanted) return;
    this.wanted = true;
    addEventListener("online", this.onlineAgain);
    document.addEventListener("visibilitychange", this.shownAgain);
    this.#connect();
  }

  close() {
    this.wanted = false;
    clearTimeout(this.timer);
    clearTimeout(this.opening);
    clearInterval(this.watchdog);
    removeEventListener("online", this.onlineAgain);
    document.removeEventListener("visibilitychange", this.shownAgain);
    this.connection?.close();
    this.connection = null;
    this.#say("closed");
  }

  /** @param {object} message @returns {boolean} */
  send(message) {
    if (this.connection?.readyState !== WebSocket.OPEN) return false;
    this.connection.send(JSON.stringify(message));
    return true;
  }

  /** Milliseconds there and back. Rejects after `limit` milliseconds. @returns {Promise<number>} */
  roundTrip(limit = 5_000) {
    return new Promise((resolve, reject) => {
      const began = performance.now();
      const timer = setTimeout(() => finish(new Error("no answer in time")), limit);
      const finish = (/** @type {Error | null} */ error) => {
        clearTimeout(timer);
        this.removeEventListener("message", heard);
        if (error) reject(error);
        else resolve(performance.now() - began);
      };
      const heard = (/** @type {Event} */ event) => {
        if (/** @type {CustomEvent} */ (event).detail.type === "pong") finish(null);
      };
      this.addEventListener("message", heard);
      if (!this.send({ type: "ping" })) finish(new Error("not connected"));
    });
  }

  /** @param {"connecting" | "open" | "lost" | "closed"} status */
  #say(status) {
    if (this.status === status) return;
    this.status = status;
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
  }

  prove() {
    const { connection } = this;
    if (!this.wanted || this.proving) return;
    if (connection?.readyState !== WebSocket.OPEN) return this.#retryNow();
    const asked = performance.now();
    this.send({ type: "ping" });
    this.proving = setTimeout(() => {
      this.proving = 0;
      if (this.connection !== connection || this.lastHeard >= asked) return;
      this.#giveUp(connection);
      this.#say("lost");
      void this.#connect();
    }, PROVE_MS);
  }

  #retryNow() {
    if (this.connection?.readyState === WebSocket.OPEN) this.prove();
    if (!this.wanted || !this.timer) return;
    clearTimeout(this.timer);
    this.timer = 0;
    void this.#connect();
  }

  /** @param {WebSocket} connection */
  #giveUp(connection) {
    clearInterval(this.watchdog);
    this.connection = null;
    connection.close();
  }

  /** Whether another attempt is wanted; a server that cannot be asked is no reason to stop trying. */
  async #stillWanted() {
    const late = new Promise((resolve) => setTimeout(() => resolve(true), OPENING_MS));
    return Promise.race([this.mayReconnect(), late]);
  }

  async #connect() {
    this.timer = 0;
    if (this.attempts > 0 && !(await this.#stillWanted())) {
      this.close();
      return;
    }
    if (!this.wanted || this.connection) return;
    if (this.status === "closed") this.#say("connecting");
    const url = new URL(this.path, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const connection = new WebSocket(url);
    this.connection = connection;
    clearTimeout(this.opening);
    this.opening = setTimeout(() => {
      if (this.connection !== connection || connection.readyState === WebSocket.OPEN) return;
      this.#giveUp(connection);
      this.#lost();
    }, OPENING_MS);
    connection.onopen = () => {
      if (this.connection !== connection) return;
      this.attempts = 0;
      this.#heard();
      this.#watch(connection);
      this.#say("open");
    };
    connection.onmessage = (event) => {
      if (this.connection !== connection) return;
      this.#heard();
      this.#receive(JSON.parse(event.data));
    };
    connection.onclose = () => {
      if (this.connection === connection) this.#lost();
    };
  }

  #heard() {
    this.lastHeard = performance.now();
  }

  /** @param {WebSocket} connection */
  #watch(connection) {
    clearInterval(this.watchdog);
    this.watchdog = setInterval(() => {
      const quiet = performance.now() - this.lastHeard;
      if (quiet > 2 * QUIET_MS) {
        this.#giveUp(connection);
        this.#lost();
      } else if (quiet > QUIET_MS) this.send({ type: "ping" });
    }, QUIET_MS / 3);
  }

  /** @param {any} message */
  #receive(message) {
    if (message.type === "bye") {
      this.dispatchEvent(new CustomEvent("bye", { detail: message.code }));
      if (message.code !== "server_stopping") this.close();
      return;
    }
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  #lost() {
    clearInterval(this.watchdog);
    this.connection = null;
    if (!this.wanted) return;
    this.#say("lost");
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.attempts);
    this.attempts += 1;
    this.timer = setTimeout(() => this.#connect(), pause * (0.5 + Math.random() / 2));
  }
}
