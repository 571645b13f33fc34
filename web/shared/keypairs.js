/**
 * Key pairs and certificate requests, made in the browser by WebCrypto. The contract: pki.js.
 */
import { BitString, Constructed, Integer, Null, ObjectIdentifier, Sequence, fromBER } from "../vendor/asn1js-4.0.0.js";
import { PkiError } from "./pkierror.js";

/** @typedef {"sign" | "auth"} Profile */
/** @typedef {Record<Profile, CryptoKeyPair>} Keys */
/** @typedef {{iv: Bytes, publicKey: Bytes, privateKey: Bytes}} KeptKey  publicKey: SPKI in DER; privateKey: encrypted */
/** @typedef {{version: 1, iterations: number, salt: Bytes, keys: Record<Profile, KeptKey>}} KeptKeys */
/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** @type {readonly Profile[]} */
export const PROFILES = ["sign", "auth"];

const KEY_ALGORITHM = {
  name: "RSASSA-PKCS1-v1_5",
  modulusLength: 2048, // NIST SP 800-57 part 1: 112 bits of security, enough for a certificate of one year
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: "SHA-256",
};
/** OWASP Password Storage Cheat Sheet, PBKDF2-HMAC-SHA256. */
const KEEPING_ITERATIONS = 600_000;
/** A kept value that asks for more would hang the page. */
const MAX_KEEPING_ITERATIONS = 10_000_000;
const SHA256_WITH_RSA = "1.2.840.113549.1.1.11";

/** WebCrypto exists on secure addresses only (https, or this very device). */
export function requireCrypto() {
  if (!globalThis.crypto?.subtle) {
    throw new PkiError("crypto_unavailable", "This browser, or this address, has no cryptography to make keys with.");
  }
  return globalThis.crypto;
}

/** @returns {Promise<Keys>} */
export async function generateKeys() {
  const { subtle } = requireCrypto();
  // Extractable: the PKCS#12 file must contain them. One after the other: a phone makes them on one core anyway.
  const sign = await subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const auth = await subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  return { sign, auth };
}

/** @param {CryptoKeyPair} pair */
export async function publicKeyOf(pair) {
  return new Uint8Array(await requireCrypto().subtle.exportKey("spki", pair.publicKey));
}

/** One DER SEQUENCE and nothing after it, or undefined. @param {Uint8Array} der */
function readSequence(der) {
  try {
    const { result, offset } = fromBER(der);
    return result instanceof Sequence && offset === der.length ? result : undefined;
  } catch {
    return undefined; // the reader throws where there is nothing to read, or too deep a nesting
  }
}

/**
 * DER read, to be put into something larger: what comes out is byte for byte what came in, or nothing does.
 * @param {Uint8Array} der
 */
function verbatim(der) {
  const sequence = readSequence(der);
  const written = sequence ? new Uint8Array(sequence.toBER()) : new Uint8Array();
  return written.length === der.length && der.every((byte, index) => byte === written[index]) ? sequence : undefined;
}

/**
 * A PKCS#10 request. The same pair and subject give the same bytes (PKCS#1 v1.5 signatures have no random part), so
 * a request repeated after an interruption is the same request.
 * @param {CryptoKeyPair} pair
 * @param {Uint8Array} subjectDer  the Name that the registration authority gave
 * @returns {Promise<Bytes>}
 */
export async function makeRequest(pair, subjectDer) {
  const { subtle } = requireCrypto();
  const subject = verbatim(subjectDer);
  const key = verbatim(await publicKeyOf(pair));
  if (!subject || !key) throw new PkiError("subject_malformed", "The server's subject is not a distinguished name.");
  const noAttributes = new Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: [] });
  const information = new Sequence({ value: [new Integer({ value: 0 }), subject, key, noAttributes] });
  const signature = await subtle.sign(KEY_ALGORITHM.name, pair.privateKey, information.toBER());
  const request = new Sequence({
    value: [
      information,
      new Sequence({ value: [new ObjectIdentifier({ value: SHA256_WITH_RSA }), new Null()] }),
      new BitString({ valueHex: signature }),
    ],
  });
  return new Uint8Array(request.toBER());
}

/**
 * The public key of a certificate, as SubjectPublicKeyInfo. Raises PkiError certificate_malformed.
 * @param {Uint8Array} certificateDer
 * @returns {Bytes}
 */
export function certificateKey(certificateDer) {
  const signed = readSequence(certificateDer)?.valueBlock.value[0];
  const fields = signed instanceof Sequence ? signed.valueBlock.value : [];
  // RFC 5280 4.1: version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo
  const key = fields[0]?.idBlock.tagClass === 3 ? fields[6] : undefined;
  if (!(key instanceof Sequence)) {
    throw new PkiError("certificate_malformed", "The certificate is not an X.509 certificate, version 3.");
  }
  return new Uint8Array(key.valueBeforeDecodeView);
}

/** @param {string} password the same letters give the same bytes, however a keyboard composes them */
export function passwordBytes(password) {
  return new TextEncoder().encode(password.normalize("NFC"));
}

/** @param {string} password @param {Bytes} salt @param {number} iterations */
async function keepingKey(password, salt, iterations) {
  const { subtle } = requireCrypto();
  const material = await subtle.importKey("raw", passwordBytes(password), "PBKDF2", false, ["deriveKey"]);
  const derivation = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return subtle.deriveKey(derivation, material, { name: "AES-GCM", length: 256 }, false, ["wrapKey", "unwrapKey"]);
}

/** Binds a private key to its use and to its public half. @param {Profile} profile @param {Bytes} publicKey @returns {Bytes} */
function binding(profile, publicKey) {
  return new Uint8Array([...new TextEncoder().encode(`betpe-bet ${profile} 1 `), ...publicKey]);
}

/**
 * The keys encrypted under the password (PBKDF2-SHA256, AES-256-GCM), to be kept until the file is saved.
 * @param {Keys} keys
 * @param {string} password
 * @returns {Promise<KeptKeys>}
 */
export async function protectKeys(keys, password) {
  const { subtle } = requireCrypto();
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const wrapping = await keepingKey(password, salt, KEEPING_ITERATIONS);
  /** @param {Profile} profile @returns {Promise<KeptKey>} */
  const keep = async (profile) => {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const publicKey = await publicKeyOf(keys[profile]);
    const algorithm = { name: "AES-GCM", iv, additionalData: binding(profile, publicKey) };
    const wrapped = await subtle.wrapKey("pkcs8", keys[profile].privateKey, wrapping, algorithm);
    return { iv, publicKey, privateKey: new Uint8Array(wrapped) };
  };
  return { version: 1, iterations: KEEPING_ITERATIONS, salt, keys: { sign: await keep("sign"), auth: await keep("auth") } };
}

/**
 * @param {KeptKeys} kept what protectKeys gave
 * @param {string} password
 * @returns {Promise<Keys>}
 */
export async function openKeys(kept, password) {
  const { subtle } = requireCrypto();
  const known = kept?.version === 1 && kept.iterations > 0 && kept.iterations <= MAX_KEEPING_ITERATIONS && kept.keys;
  if (!known) throw new PkiError("keys_damaged", "The keys kept in this browser cannot be read.");
  const wrapping = await keepingKey(password, kept.salt, kept.iterations);
  /** @param {Profile} profile @returns {Promise<CryptoKeyPair>} */
  const open = async (profile) => {
    const { iv, publicKey, privateKey } = kept.keys[profile];
    const algorithm = { name: "AES-GCM", iv, additionalData: binding(profile, publicKey) };
    return {
      publicKey: await subtle.importKey("spki", publicKey, KEY_ALGORITHM, true, ["verify"]),
      privateKey: await subtle.unwrapKey("pkcs8", privateKey, wrapping, algorithm, KEY_ALGORITHM, true, ["sign"]),
    };
  };
  try {
    return { sign: await open("sign"), auth: await open("auth") };
  } catch (error) {
    // AES-GCM says OperationError for a wrong key and for changed bytes alike; anything else is not the password.
    if (error instanceof DOMException && error.name === "OperationError") {
      throw new PkiError("password_wrong", "The password does not open the keys kept in this browser.");
    }
    throw new PkiError("keys_damaged", "The keys kept in this browser cannot be read.");
  }
}
