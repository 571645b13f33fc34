/**
 * What goes wrong with keys, requests and files. Contract: `code` is stable and translated as `error.<code>`:
 * crypto_unavailable, subject_malformed, certificate_malformed, certificate_key_mismatch, password_wrong,
 * password_weak, keys_damaged, keys_lost, nothing_to_issue, issuance_unfinished, storage_unavailable.
 */
export class PkiError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = "PkiError";
    this.code = code;
  }
}
