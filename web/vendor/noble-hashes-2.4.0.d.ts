/** The part of @noble/hashes that the pages use. */
export function sha256(message: Uint8Array): Uint8Array<ArrayBuffer>;
