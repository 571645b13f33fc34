/**
 * Cameras and microphones, and what went wrong with them, in codes that have words.
 *
 * Contract
 *   const stream = await openMedia({facing: "user", audio: true});   video of about 1280x720 at 25 frames a second
 *   const stream = await openMedia({facing: "environment", detailed: true, audio: false});   for photographs
 *   A failure is a CameraFault; `code` is one of FAULTS and `words()` says in the page's language, for this browser,
 *   what to do. A missing or refused microphone is no failure when audio is "wanted": the stream then has no audio
 *   track and `stream` is all the same usable.
 *   stop(stream); await cameras() -> MediaDeviceInfo[]; new LevelMeter(stream, (level 0..1) => ...).stop()
 */
import { has, t } from "./i18n.js";

export const FAULTS = /** @type {const} */ ([
  "permission_denied",
  "camera_busy",
  "no_camera",
  "no_microphone",
  "insecure_address",
  "unsupported_browser",
  "camera_stopped",
]);

/** @typedef {typeof FAULTS[number]} Fault */

export class CameraFault extends Error {
  /** @param {Fault} code @param {string} [cause] */
  constructor(code, cause = "") {
    super(cause || code);
    this.name = "CameraFault";
    this.code = code;
  }

  words() {
    const forBrowser = `fault.${this.code}.${browserFamily()}`;
    return t(has(forBrowser) ? forBrowser : `fault.${this.code}`);
  }
}

/** Who draws the permission button, which is what the advice depends on. */
export function browserFamily() {
  const agent = navigator.userAgent;
  if (/Instagram|FBAN|FBAV|Telegram|WhatsApp|Line\/|; wv\)/.test(agent)) return "inside_app";
  if (/iPhone|iPad|iPod/.test(agent)) return "ios";
  if (/Firefox\//.test(agent)) return "firefox";
  if (/Android/.test(agent)) return "android";
  if (/Chrome\//.test(agent)) return "chrome";
  return "other";
}

/** Throws CameraFault when this page can never have a camera here. */
export function requireMedia() {
  if (!isSecureContext) throw new CameraFault("insecure_address");
  if (!navigator.mediaDevices?.getUserMedia || typeof RTCPeerConnection === "undefined") {
    throw new CameraFault("unsupported_browser");
  }
}

/**
 * @typedef {object} Wish
 * @property {"user" | "environment"} [facing]
 * @property {string} [deviceId] this camera and no other
 * @property {boolean | "wanted"} [audio] true: fail without; "wanted": go on without
 * @property {boolean} [detailed] as many pixels as the camera gives, for photographs
 */

/** @param {Wish} wish @returns {MediaTrackConstraints} */
function videoConstraints({ facing = "user", deviceId, detailed = false }) {
  return {
    ...(deviceId ? { deviceId: { exact: deviceId } } : { facingMode: { ideal: facing } }),
    width: { ideal: detailed ? 2560 : 1280 },
    height: { ideal: detailed ? 1440 : 720 },
    frameRate: { ideal: 25 }, // the example of ETSI TS 119 461
  };
}

const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/** @param {Wish} [wish] @returns {Promise<MediaStream>} */
export async function openMedia(wish = {}) {
  requireMedia();
  const audio = wish.audio ?? true;
  const video = videoConstraints(wish);
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio: audio ? AUDIO : false });
  } catch (error) {
    if (audio === "wanted") {
      const withoutSound = await attempt({ video });
      if (withoutSound instanceof MediaStream) return withoutSound;
      throw fault(withoutSound, "no_camera");
    }
    throw await explain(error, video, Boolean(audio));
  }
}

/** @param {MediaStreamConstraints} constraints @returns {Promise<MediaStream | unknown>} the stream or the error */
async function attempt(constraints) {
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    return error;
  }
}

/** One request for both says only that something is missing: ask which. @param {unknown} error
 * @param {MediaTrackConstraints} video @param {boolean} audio */
async function explain(error, video, audio) {
  if (!audio || !(error instanceof DOMException) || error.name !== "NotFoundError") return fault(error, "no_camera");
  const camera = await attempt({ video });
  if (camera instanceof MediaStream) {
    stop(camera);
    return new CameraFault("no_microphone", error.message);
  }
  return fault(camera, "no_camera");
}

/** @param {unknown} error @param {Fault} missing */
function fault(error, missing) {
  if (!(error instanceof DOMException)) {
    return new CameraFault("unsupported_browser", error instanceof Error ? error.message : "");
  }
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return new CameraFault("permission_denied", error.message);
    case "NotFoundError":
    case "OverconstrainedError":
      return new CameraFault(missing, error.message);
    default: // NotReadableError, AbortError: it is there, and something else holds it
      return new CameraFault("camera_busy", error.message);
  }
}

/** @param {MediaStream | null | undefined} stream */
export function stop(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** The cameras of this device; their names are known only after permission. */
export async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput");
}

/** Ten times a second is what an eye needs of a level bar. */
const LEVEL_EVERY_MS = 100;

export class LevelMeter {
  /** @param {MediaStream} stream @param {(level: number) => void} onLevel 0 silence .. 1 very loud */
  constructor(stream, onLevel) {
    this.context = new AudioContext();
    const analyser = this.context.createAnalyser();
    analyser.fftSize = 1024;
    this.context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      const decibels = 10 * Math.log10(power + 1e-10);
      onLevel(Math.min(1, Math.max(0, (decibels + 60) / 50))); // -60 dB is a quiet room, -10 dB shouting
    }, LEVEL_EVERY_MS);
    this.context.resume().catch(() => undefined); // stays silent until the page is touched; the bar then stays empty
  }

  stop() {
    clearInterval(this.timer);
    return this.context.close();
  }
}
