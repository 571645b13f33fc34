/**
 * One password-protected PKCS#12 file (RFC 7292): both private keys, their certificates and the chain.
 *
 * Contract: makePkcs12({keys, certificates, chain, password, friendlyNames}) -> Uint8Array. Keys and certificates are
 * encrypted with PBES2 (PBKDF2-HMAC-SHA256, AES-256-CBC: RFC 8018), the whole has an HMAC-SHA256; key and
 * certificate of one pair carry the same localKeyId and friendlyName. Opened with OpenSSL 3.0,
 * NSS 3.87 (pk12util), Java 17 (keytool; its passwords must be ASCII) and Python's cryptography. Raises PkiError certificate_key_mismatch rather than making a file that cannot be used.
 */
import {
  BmpString,
  Constructed,
  Integer,
  Null,
  ObjectIdentifier,
  OctetString,
  Primitive,
  Sequence,
  Set as Asn1Set,
} from "../vendor/asn1js-4.0.0.js";
import { sha256 } from "../vendor/noble-hashes-2.4.0.js";
import { PROFILES, certificateKey, passwordBytes, publicKeyOf, requireCrypto } from "./keypairs.js";
import { PkiError } from "./pkierror.js";

/** @typedef {import("./keypairs.js").Profile} Profile */
/** @typedef {import("./keypairs.js").Bytes} Bytes */
/** @typedef {import("../vendor/asn1js-4.0.0.js").BaseBlock} Block */

/**
 * Iterations of each of the four derivations in the file (two keys, the certificates, the MAC). Some importers refuse files
 * that ask for very many (remembered, not found in a source: .NET on Windows, above 600 000), which the four stay within
 * even together. Whoever guesses attacks the cheapest of the four, so all are equal.
 */
export const FILE_ITERATIONS = 150_000;
/** Hashes between two pauses of the MAC's derivation: some 10 ms on a phone, so that the page stays alive. */
const HASHES_A_SLICE = 5_000;

const OID = {
  data: "1.2.840.113549.1.7.1",
  encryptedData: "1.2.840.113549.1.7.6",
  shroudedKeyBag: "1.2.840.113549.1.12.10.1.2",
  certBag: "1.2.840.113549.1.12.10.1.3",
  x509Certificate: "1.2.840.113549.1.9.22.1",
  friendlyName: "1.2.840.113549.1.9.20",
  localKeyId: "1.2.840.113549.1.9.21",
  pbes2: "1.2.840.113549.1.5.13",
  pbkdf2: "1.2.840.113549.1.5.12",
  hmacWithSha256: "1.2.840.113549.2.9",
  aes256Cbc: "2.16.840.1.101.3.4.1.42",
  sha256: "2.16.840.1.101.3.4.2.1",
};

/** @param {...Block} value */
const sequence = (...value) => new Sequence({ value });
/** @param {string} value */
const oid = (value) => new ObjectIdentifier({ value });
/** @param {Uint8Array | ArrayBuffer} valueHex */
const octets = (valueHex) => new OctetString({ valueHex });
/** @param {Block} value  [0] EXPLICIT */
const explicit0 = (value) => new Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: [value] });
/** @param {Block} content */
const data = (content) => sequence(oid(OID.data), explicit0(octets(content.toBER())));

/**
 * @param {string} password
 * @param {Uint8Array | ArrayBuffer} plain
 * @returns {Promise<{algorithm: Block, ciphertext: Bytes}>}
 */
async function encrypt(password, plain) {
  const { subtle } = requireCrypto();
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const iv = crypto.getRandomValues(new Uint8Array(16));
  const material = await subtle.importKey("raw", passwordBytes(password), "PBKDF2", false, ["deriveKey"]);
  const derivation = { name: "PBKDF2", hash: "SHA-256", salt, iterations: FILE_ITERATIONS };
  const key = await subtle.deriveKey(derivation, material, { name: "AES-CBC", length: 256 }, false, ["encrypt"]);
  const ciphertext = await subtle.encrypt({ name: "AES-CBC", iv }, key, new Uint8Array(plain));
  const prf = sequence(oid(OID.hmacWithSha256), new Null());
  const parameters = sequence(octets(salt), new Integer({ value: FILE_ITERATIONS }), prf);
  const algorithm = sequence(
    oid(OID.pbes2),
    sequence(sequence(oid(OID.pbkdf2), parameters), sequence(oid(OID.aes256Cbc), octets(iv))),
  );
  return { algorithm, ciphertext: new Uint8Array(ciphertext) };
}

/** @param {string} name @param {Bytes} id */
function attributes(name, id) {
  return new Asn1Set({
    value: [
      sequence(oid(OID.friendlyName), new Asn1Set({ value: [new BmpString({ value: name })] })),
      sequence(oid(OID.localKeyId), new Asn1Set({ value: [octets(id)] })),
    ],
  });
}

/** @param {Uint8Array} der @param {Asn1Set} [marks] */
function certificateBag(der, marks) {
  const value = explicit0(sequence(oid(OID.x509Certificate), explicit0(octets(der))));
  return marks ? sequence(oid(OID.certBag), value, marks) : sequence(oid(OID.certBag), value);
}

/** Let the page draw and answer. Not a timer: those of a page in the background fire once a second. */
function breath() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(null);
  });
}

/**
 * The MAC's key: PKCS#12's own derivation (RFC 7292, appendix B) for SHA-256, ID 3, 32 bytes: one block. WebCrypto
 * does not have it, and a promise for each of 150 000 hashes would take seconds, hence the hash in the page.
 * @param {string} password @param {Uint8Array} salt
 */
async function macKey(password, salt) {
  /** @param {Uint8Array} bytes */
  const filled = (bytes) => {
    const block = new Uint8Array(64 * Math.ceil(bytes.length / 64));
    for (let index = 0; index < block.length; index += 1) block[index] = bytes[index % bytes.length];
    return block;
  };
  const letters = password.normalize("NFC");
  const characters = new Uint8Array(2 * letters.length + 2); // UTF-16, big-endian, ended by a zero
  for (let index = 0; index < letters.length; index += 1) {
    new DataView(characters.buffer).setUint16(2 * index, letters.charCodeAt(index));
  }
  let key = sha256(new Uint8Array([...new Uint8Array(64).fill(3), ...filled(salt), ...filled(characters)]));
  for (let done = 1; done < FILE_ITERATIONS; done += 1) {
    key = sha256(key);
    if (done % HASHES_A_SLICE === 0) await breath();
  }
  return key;
}

/** @param {string} password @param {ArrayBuffer} content */
async function macData(password, content) {
  const { subtle } = requireCrypto();
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await subtle.importKey("raw", await macKey(password, salt), hmac, false, ["sign"]);
  const digest = await subtle.sign("HMAC", key, content);
  const digestInfo = sequence(sequence(oid(OID.sha256), new Null()), octets(digest));
  return sequence(digestInfo, octets(salt), new Integer({ value: FILE_ITERATIONS }));
}

/**
 * @param {{keys: import("./keypairs.js").Keys, certificates: Record<Profile, Uint8Array>, chain: Uint8Array[],
 *   password: string, friendlyNames: Record<Profile, string>}} parts  certificates and chain in DER
 * @returns {Promise<Bytes>}
 */
export async function makePkcs12({ keys, certificates, chain, password, friendlyNames }) {
  const { subtle } = requireCrypto();
  /** @type {Block[]} */
  const keyBags = [];
  /** @type {Block[]} */
  const certificateBags = [];
  for (const profile of PROFILES) {
    const own = await publicKeyOf(keys[profile]);
    const certified = certificateKey(certificates[profile]);
    if (own.length !== certified.length || own.some((byte, index) => byte !== certified[index])) {
      throw new PkiError("certificate_key_mismatch", "The certificate is not for the key made in this browser.");
    }
    const id = sha256(own).slice(0, 20);
    const plain = await subtle.exportKey("pkcs8", keys[profile].privateKey);
    const { algorithm, ciphertext } = await encrypt(password, plain);
    const shrouded = explicit0(sequence(algorithm, octets(ciphertext)));
    keyBags.push(sequence(oid(OID.shroudedKeyBag), shrouded, attributes(friendlyNames[profile], id)));
    certificateBags.push(certificateBag(certificates[profile], attributes(friendlyNames[profile], id)));
  }
  certificateBags.push(...chain.map((der) => certificateBag(der)));

  const { algorithm, ciphertext } = await encrypt(password, sequence(...certificateBags).toBER());
  const encryptedContent = new Primitive({ idBlock: { tagClass: 3, tagNumber: 0 }, valueHex: ciphertext });
  const encrypted = sequence(new Integer({ value: 0 }), sequence(oid(OID.data), algorithm, encryptedContent));
  const safe = sequence(sequence(oid(OID.encryptedData), explicit0(encrypted)), data(sequence(...keyBags))).toBER();
  const content = sequence(oid(OID.data), explicit0(octets(safe)));
  return new Uint8Array(sequence(new Integer({ value: 3 }), content, await macData(password, safe)).toBER());
}
