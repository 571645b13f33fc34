/**
 * From an approval to a key file in the citizen's hands, without a screen. Whatever interrupts it (a reload, a lost
 * connection, a closed tab), a new Issuance of the same session goes on where it stopped, with the same keys.
 *
 * Contract
 *   const issuance = new Issuance({sessionId, onProgress});
 *   await issuance.look()           -> {stage, view}: what the page should ask. Stages:
 *       "not_approved"    nothing to issue (yet)
 *       "choose_password" no keys yet: ask for a new password
 *       "enter_password"  keys wait in this browser: ask for the password chosen before, or offer startOver()
 *                         (only while `restartable`: nothing was requested from the CA yet)
 *       "keys_lost"       certificates were requested with keys that this browser does not have
 *       "saved"           done before
 *   await issuance.run(password, {known, friendlyNames}) -> {file: Uint8Array, fileName, view}; may be repeated.
 *       onProgress({step, resumable}) with step: "keys", "protecting", "requesting", "packing", "ready";
 *       resumable is false where this browser keeps nothing: the page must stay open until the file is saved.
 *   await issuance.confirmSaved()   tells the server, then forgets the keys. Call when the citizen says that it is saved.
 *   await issuance.startOver()      forgets keys whose password is forgotten; PkiError keys_lost if it is too late.
 * Failures are PkiError or ApiError with a `code`; those of the connection are tried again a few times first.
 */
import { get, post } from "../shared/api.js";
import {
  MIN_PASSWORD_SCORE,
  PkiError,
  generateKeys,
  keyStore,
  makePkcs12,
  makeRequest,
  openKeys,
  passwordStrength,
  protectKeys,
} from "../shared/pki.js";

/** @typedef {import("../shared/keypairs.js").Bytes} Bytes */
/** @typedef {import("../shared/keypairs.js").Keys} Keys */
/** @typedef {import("../shared/keypairs.js").Profile} Profile */
/** @typedef {{status: "not_approved" | "ready" | "requested" | "issued", saved: boolean, demonstration: boolean,
 *   subject?: string, subject_text?: Record<string, string>, certificates?: Record<Profile, string>, chain?: string[],
 *   not_after?: string, revoked_at?: string | null}} IssuanceView */
/** @typedef {"not_approved" | "choose_password" | "enter_password" | "keys_lost" | "saved"} Stage */
/** @typedef {"keys" | "protecting" | "requesting" | "packing" | "ready"} Step */

const PATH = "/api/session/issuance";
/** Codes after which the same command may be sent again at once: it changes nothing twice. */
const PASSING = new Set(["offline", "unreachable", "timed_out", "server_error", "issuance_interrupted"]);
const PAUSES_MS = [500, 1_500, 4_000];

/** @param {string} text @returns {Bytes} */
function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** @param {Uint8Array} bytes */
function toBase64(bytes) {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** @param {IssuanceView} view */
function lastDay(view) {
  return (view.not_after ?? "").slice(0, 10);
}

/**
 * Programs that hold several people's keys tell them apart by these names. @param {IssuanceView} view
 * @returns {Record<Profile, string>}
 */
function defaultNames(view) {
  const { surname = "", given_names = "" } = view.subject_text ?? {};
  const person = `${surname} ${given_names}`.trim();
  return { sign: `${person} SIGN ${lastDay(view)}`, auth: `${person} AUTH ${lastDay(view)}` };
}

/** @param {() => Promise<any>} command */
async function persistently(command) {
  for (const pause of PAUSES_MS) {
    try {
      return await command();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (!PASSING.has(code)) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
  return command();
}

export class Issuance {
  #sessionId;
  #onProgress;
  #resumable = true;
  /** Keys of a browser that keeps nothing; they live as long as the page. @type {Keys | undefined} */
  #unkept;

  /** @param {{sessionId: string, onProgress?: (progress: {step: Step, resumable: boolean}) => void}} options */
  constructor({ sessionId, onProgress = () => {} }) {
    this.#sessionId = sessionId;
    this.#onProgress = onProgress;
  }

  /** @returns {Promise<{stage: Stage, restartable: boolean, view: IssuanceView}>} */
  async look() {
    /** @type {IssuanceView} */
    const view = await persistently(() => get(PATH));
    const restartable = view.status === "ready";
    if (view.saved) {
      await this.#forget(); // a page that closed between telling the server and forgetting
      return { stage: "saved", restartable, view };
    }
    if (view.status === "not_approved") return { stage: "not_approved", restartable, view };
    if (this.#unkept) return { stage: "choose_password", restartable, view };
    if (await this.#load()) return { stage: "enter_password", restartable, view };
    return { stage: restartable ? "choose_password" : "keys_lost", restartable, view };
  }

  /**
   * @param {string} password
   * @param {{known?: string[], friendlyNames?: Record<Profile, string>}} [options] known: words that must not make the
   *   password; friendlyNames: what other programs show beside each key (default: name, use and last day)
   * @returns {Promise<{file: Bytes, fileName: string, view: IssuanceView}>}
   */
  async run(password, { known = [], friendlyNames } = {}) {
    const { stage, view } = await this.look();
    if (stage === "keys_lost") throw new PkiError("keys_lost", "The keys of this request are not in this browser.");
    if (stage === "saved" || stage === "not_approved" || view.subject === undefined) {
      throw new PkiError("nothing_to_issue", "There is no certificate to issue now.");
    }
    const keys = await this.#keys(password, known);
    const issued = view.certificates ? view : await this.#request(keys, fromBase64(view.subject));
    if (!issued.certificates || !issued.chain) {
      throw new PkiError("issuance_unfinished", "The certificates are not ready yet; try again.");
    }
    this.#tell("packing");
    const file = await makePkcs12({
      keys,
      certificates: { sign: fromBase64(issued.certificates.sign), auth: fromBase64(issued.certificates.auth) },
      chain: issued.chain.map(fromBase64),
      password,
      friendlyNames: friendlyNames ?? defaultNames(issued),
    });
    this.#tell("ready");
    return { file, fileName: `eds-${lastDay(issued)}.p12`, view: issued };
  }

  async confirmSaved() {
    await persistently(() => post(`${PATH}/saved`));
    await this.#forget();
  }

  async startOver() {
    const { restartable } = await this.look();
    if (!restartable) throw new PkiError("keys_lost", "Certificates were requested already with the keys made before.");
    await this.#forget();
  }

  /** @param {Keys} keys @param {Bytes} subject @returns {Promise<IssuanceView>} */
  async #request(keys, subject) {
    this.#tell("requesting");
    const requests = {
      sign: toBase64(await makeRequest(keys.sign, subject)),
      auth: toBase64(await makeRequest(keys.auth, subject)),
    };
    return persistently(() => post(PATH, requests));
  }

  /** @param {Step} step */
  #tell(step) {
    this.#onProgress({ step, resumable: this.#resumable });
  }

  /**
   * The keys of this session: those kept, else new ones, kept before anybody hears of them.
   * @param {string} password @param {string[]} known
   */
  async #keys(password, known) {
    this.#tell("keys");
    const before = this.#unkept ? undefined : await this.#load();
    if (before) return openKeys(before, password);
    if (passwordStrength(password, known).score < MIN_PASSWORD_SCORE) {
      throw new PkiError("password_weak", "The password is too easy to guess.");
    }
    if (this.#unkept) return this.#unkept;
    const made = await generateKeys();
    this.#tell("protecting");
    const mine = await protectKeys(made, password);
    try {
      const kept = await keyStore.save(this.#sessionId, mine);
      // Another tab may have been faster: then its keys are the keys, and its password the password.
      return kept === mine ? made : await openKeys(kept, password);
    } catch (error) {
      if (!(error instanceof PkiError) || error.code !== "storage_unavailable") throw error;
      this.#resumable = false;
      this.#unkept = made;
      return made;
    }
  }

  async #load() {
    try {
      return await keyStore.load(this.#sessionId);
    } catch (error) {
      if (!(error instanceof PkiError) || error.code !== "storage_unavailable") throw error;
      this.#resumable = false;
      return undefined;
    }
  }

  async #forget() {
    this.#unkept = undefined;
    if (this.#resumable) await keyStore.clear(this.#sessionId);
  }
}
