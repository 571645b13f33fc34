/**
 * The citizen's keys: made here, kept here, packed into a file here. Nothing of this module speaks to the network,
 * and a private key leaves it only encrypted under the citizen's password.
 *
 * Contract
 *   generateKeys()                          -> {sign, auth}: two CryptoKeyPairs, RSA-2048, PKCS#1 v1.5, SHA-256
 *   makeRequest(pair, subjectDer)           -> DER of a PKCS#10 request with that very subject (RFC 2986)
 *   protectKeys(keys, password)             -> a value for IndexedDB
 *   openKeys(kept, password)                -> {sign, auth} again; PkiError password_wrong, keys_damaged
 *   publicKeyOf(pair), certificateKey(der)  -> DER of the SubjectPublicKeyInfo, to compare
 *   makePkcs12({keys, certificates, chain, password, friendlyNames}) -> the file to save (pkcs12.js)
 *   passwordStrength(password, known)       -> {score: 0..4, code}; accept from MIN_PASSWORD_SCORE (password.js)
 *   keyStore.save / load / clear            -> protected keys in IndexedDB by session id (keystore.js)
 * Every failure is a PkiError with a stable `code` (pkierror.js).
 */
export { PROFILES, certificateKey, generateKeys, makeRequest, openKeys, protectKeys, publicKeyOf } from "./keypairs.js";
export { keyStore } from "./keystore.js";
export { MIN_PASSWORD_SCORE, passwordStrength } from "./password.js";
export { makePkcs12 } from "./pkcs12.js";
export { PkiError } from "./pkierror.js";
