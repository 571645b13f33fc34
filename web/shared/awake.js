/**
 * Keeps the screen of a phone from going dark while somebody waits or talks.
 * Contract: keepAwake(true) from when it matters, keepAwake(false) after; where the browser cannot, nothing happens.
 */

/** @type {WakeLockSentinel | null} */
let lock = null;
let wanted = false;

async function take() {
  if (!wanted || lock || document.visibilityState !== "visible" || !("wakeLock" in navigator)) return;
  try {
    lock = await navigator.wakeLock.request("screen");
    lock.addEventListener("release", () => (lock = null));
    if (!wanted) await lock.release();
  } catch {
    lock = null; // the device saves its battery: the screen may go dark, the place is kept
  }
}

/** @param {boolean} on */
export function keepAwake(on) {
  wanted = on;
  if (on) void take();
  else void lock?.release();
}

document.addEventListener("visibilitychange", () => void take());
