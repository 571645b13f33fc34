/**
 * The applicant's way as the page knows it: the server's snapshot, and which of her own steps before the queue is shown.
 *
 * Contract: one Journey for the page. It fires "change" whenever anything below differs, "media" (detail: a message of
 * the server for the call) and "refused" (detail: code of a message that the server did not take).
 *   service     GET /api/service          snapshot    the session of docs/protocol.md, or null
 *   screen      the name of the screen to show (also body[data-screen])
 *   connection  "connecting" | "open" | "lost" | "closed"        socket   shared/socket.js
 * The step before the queue lives in the browser's history: a reload keeps it, and the phone's Back goes one step back.
 */
import { ApiError, get, post, put, upload } from "../shared/api.js";
import { Socket } from "../shared/socket.js";

/** @typedef {{side: string, usable: boolean, problems: string[], attributes: Record<string, string>, mrz_lines: string[]}} Reading */
/**
 * @typedef {object} Snapshot
 * @property {string} id
 * @property {number} version
 * @property {string} state
 * @property {import("../shared/i18n.js").Language} language
 * @property {string} purpose
 * @property {{front: Reading | null, back: Reading | null}} readings
 * @property {Record<string, string>} attributes
 * @property {Record<string, string>} corrections
 * @property {boolean} can_confirm
 * @property {{position: number, wait: {low: number, high: number} | null, operators: number, second_person: boolean} | null} queue
 * @property {{id: string, operator_name: string, step: string | null, prompt: any, peer_connected: boolean, recording: boolean, others?: string[], interpreter?: import("../shared/guest.js").Third | null, guidance?: string[] | null, camera?: {width: number, height: number} | null} | null} call
 * @property {{outcome: string, reason_code: string, at: string, retry_at: string | null} | null} decision
 * @property {string} issuance
 * @property {boolean} saved
 * @property {string | null} ended
 * @property {import("../shared/chat.js").Message[]} messages
 */
/**
 * @typedef {object} Service
 * @property {string} profile
 * @property {string} consent_version
 * @property {number} retention_days
 * @property {boolean} specimen
 * @property {string[]} purposes
 * @property {RTCIceServer[]} ice_servers
 * @property {RTCIceTransportPolicy} ice_policy
 */

const STEPS = ["device", "card-front", "card-back", "specimen", "check"];
/** Both sides are read and checked together before the answer: seconds, and more when others do so as well. */
const CONFIRM_TIMEOUT_MS = 90_000;

/** State of the session -> screen; the steps before the queue are the page's own. @type {Record<string, string>} */
const SCREENS = {
  waiting: "waiting",
  matched: "call",
  in_call: "call",
  suspended: "call",
  deciding: "deciding",
  referred: "second-person",
  rejected: "rejected",
  approved: "signature",
  issuing: "signature",
  issue_failed: "signature",
  issued: "signature",
  abandoned: "ended",
  expired: "ended",
};

export class Journey extends EventTarget {
  constructor() {
    super();
    /** @type {Service | null} */
    this.service = null;
    /** @type {Snapshot | null} */
    this.snapshot = null;
    /** @type {ApiError | null} */
    this.failure = null;
    this.elsewhere = false;
    /** The page shows the welcome again although its last session is still known. */
    this.beginningAgain = false;
    /** The certificate is in the page's hands, or was saved before. */
    this.certificateShown = false;
    /** Pictures sent from this page: a browser shows a picture of the same address again without asking. */
    this.picturesSent = 0;
    this.connection = "closed";
    this.socket = new Socket("/api/session/ws", { mayReconnect: () => this.#stillThere() });
    this.socket.addEventListener("message", (event) => this.#receive(/** @type {CustomEvent} */ (event).detail));
    this.socket.addEventListener("status", (event) => {
      this.connection = /** @type {CustomEvent} */ (event).detail;
      this.#changed();
    });
    this.socket.addEventListener("bye", (event) => {
      this.elsewhere = /** @type {CustomEvent} */ (event).detail === "opened_elsewhere";
      this.#changed();
    });
    addEventListener("popstate", () => this.#changed());
  }

  /** Everything from the beginning: what the service is, and where this browser's session stands. */
  async load() {
    this.failure = null;
    try {
      this.service = await get("/api/service");
      this.#take((await get("/api/session")).session);
      this.socket.open();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code !== "not_signed_in") this.failure = error;
    }
    this.#changed();
  }

  get screen() {
    if (this.failure) return "failure";
    if (this.elsewhere) return "elsewhere";
    if (!this.snapshot || this.beginningAgain) return "welcome";
    if (this.snapshot.state === "consented") return this.step;
    const screen = SCREENS[this.snapshot.state] ?? "failure";
    return screen === "signature" && this.certificateShown ? "certificate" : screen;
  }

  get step() {
    const step = history.state?.session === this.snapshot?.id ? history.state?.step : undefined;
    if (!STEPS.includes(step)) return "device";
    return step === "check" && !this.snapshot?.can_confirm ? "card-front" : step;
  }

  /** @param {string} step */
  go(step) {
    history.pushState({ session: this.snapshot?.id, step }, "");
    this.#changed();
  }

  /** @param {{language: string, purpose: string, consentVersion: string}} choice */
  async begin({ language, purpose, consentVersion }) {
    this.#take((await post("/api/session", { language, purpose, consent_version: consentVersion })).session);
    this.beginningAgain = false;
    this.socket.open();
    this.go("device");
  }

  beginAgain() {
    this.socket.close();
    this.beginningAgain = true;
    this.certificateShown = false;
    this.#changed();
  }

  /** @param {string} language */
  async tellLanguage(language) {
    if (!this.snapshot || this.snapshot.ended || this.snapshot.language === language) return;
    this.#take((await put("/api/session/language", { language })).session);
    this.#changed();
  }

  /** @param {"front" | "back"} side @param {Blob} picture @param {(fraction: number) => void} onProgress
   * @returns {Promise<Reading>} */
  async sendSide(side, picture, onProgress) {
    const { reading, session } = await upload(`/api/session/evidence/${side}`, picture, { onProgress });
    this.picturesSent += 1;
    this.#take(session);
    this.#changed();
    return reading;
  }

  /** @param {"front" | "back"} side */
  pictureAddress(side) {
    return `/api/session/images/${side}?n=${this.picturesSent}`;
  }

  showCertificate() {
    this.certificateShown = true;
    this.#changed();
  }

  /** @param {Blob} selfie @returns {Promise<{front: Reading, back: Reading}>} */
  async makeSpecimen(selfie) {
    const { readings, session } = await upload("/api/session/specimen", selfie, { method: "POST" });
    this.picturesSent += 1;
    this.#take(session);
    this.#changed();
    return readings;
  }

  /** @param {Record<string, string>} corrections */
  async confirm(corrections) {
    const answer = await post("/api/session/evidence/confirm", { corrections }, CONFIRM_TIMEOUT_MS);
    this.#take(answer.session);
    this.#changed();
  }

  /** Whether the interpreter may see and hear her. @param {boolean} agree */
  async answerInterpreter(agree) {
    this.#take((await post("/api/session/interpreter", { agree })).session);
    this.#changed();
  }

  async leave() {
    this.#take((await post("/api/session/leave")).session);
    this.#changed();
  }

  /** What the server knows, when the page has reason to doubt what it shows. */
  async refresh() {
    try {
      this.#take((await get("/api/session")).session);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "not_signed_in") this.snapshot = null;
    }
    this.#changed();
  }

  continueHere() {
    this.elsewhere = false;
    this.socket.open();
    this.#changed();
  }

  async #stillThere() {
    try {
      this.#take((await get("/api/session")).session);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code !== "not_signed_in") return true; // no network yet: the place is kept, go on trying
      this.snapshot = null;
      this.#changed();
      return false;
    }
    this.#changed();
    return true;
  }

  /** @param {any} message */
  #receive(message) {
    if (message.type === "state") {
      this.#take(message.session);
      this.#changed();
    } else if (["answer", "offer_again", "receive"].includes(message.type)) {
      this.dispatchEvent(new CustomEvent("media", { detail: message }));
    } else if (message.type === "error") {
      this.dispatchEvent(new CustomEvent("refused", { detail: message.code }));
    }
  }

  /** An answer that was long under way must not take the page back. @param {Snapshot} snapshot */
  #take(snapshot) {
    const older = this.snapshot?.id === snapshot.id && snapshot.version < this.snapshot.version;
    if (!older) this.snapshot = snapshot;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
