/**
 * Commands to the server over HTTP.
 *
 * Contract
 *   await get("/api/session"), post(path, body, timeoutMs?), put(path, body)   -> the answer's JSON
 *   await upload(path, blob, {onProgress})                         -> the same, for a picture
 *   Every failure is an ApiError with a stable `code` (the server's, or one of ours: offline, unreachable, timed_out,
 *   server_error), `status` (0 when no answer came), `details`, and `words()`: the sentence in the page's language.
 */
import { code as words } from "./i18n.js";

const COMMAND_TIMEOUT_MS = 20_000;
/** A picture of 1 MB takes 40 s on a slow phone link of 200 kbit/s. */
const UPLOAD_TIMEOUT_MS = 90_000;

export class ApiError extends Error {
  /** @param {string} code @param {number} status @param {string} message @param {Record<string, unknown>} [details] */
  constructor(code, status, message, details = {}) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.status = status;
    this.details = details;
  }

  words() {
    return words("error", this.code);
  }
}

/** Any failure as an ApiError; what is not one is a fault of the page and goes on. @param {unknown} error */
export function asApiError(error) {
  if (error instanceof ApiError) return error;
  throw error;
}

/** @param {number} status @param {string} text */
function failure(status, text) {
  /** @type {{code?: string, message?: string, details?: Record<string, unknown>} | undefined} */
  let error;
  try {
    error = JSON.parse(text).error;
  } catch {
    error = undefined; // a proxy's page, not our JSON
  }
  if (error?.code) return new ApiError(error.code, status, error.message ?? "", error.details ?? {});
  return new ApiError("server_error", status, `The server answered ${status}.`);
}

function noAnswer() {
  return navigator.onLine
    ? new ApiError("unreachable", 0, "The server does not answer.")
    : new ApiError("offline", 0, "There is no connection to the network.");
}

/** @param {string} method @param {string} path @param {unknown} [body] @param {number} [timeoutMs] */
async function command(method, path, body, timeoutMs = COMMAND_TIMEOUT_MS) {
  let answer;
  let text;
  try {
    answer = await fetch(path, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await answer.text();
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") {
      throw new ApiError("timed_out", 0, "The server took too long.");
    }
    throw noAnswer();
  }
  if (!answer.ok) throw failure(answer.status, text);
  return text ? JSON.parse(text) : {};
}

/** @param {string} path */
export const get = (path) => command("GET", path);
/** @param {string} path @param {unknown} [body] @param {number} [timeoutMs] */
export const post = (path, body = {}, timeoutMs = undefined) => command("POST", path, body, timeoutMs);
/** @param {string} path @param {unknown} body */
export const put = (path, body) => command("PUT", path, body);

/**
 * Send a picture. fetch cannot tell how much of it has gone, so this is XMLHttpRequest.
 * @param {string} path
 * @param {Blob} blob
 * @param {{method?: "PUT" | "POST", onProgress?: (fraction: number) => void}} [options]
 * @returns {Promise<any>}
 */
export function upload(path, blob, { method = "PUT", onProgress } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    request.timeout = UPLOAD_TIMEOUT_MS;
    request.setRequestHeader("Content-Type", blob.type || "application/octet-stream");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress?.(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status < 200 || request.status >= 300) return reject(failure(request.status, request.responseText));
      try {
        resolve(JSON.parse(request.responseText));
      } catch {
        reject(new ApiError("server_error", request.status, "The answer is not JSON."));
      }
    };
    request.ontimeout = () => reject(new ApiError("timed_out", 0, "The server took too long."));
    request.onerror = () => reject(noAnswer());
    request.send(blob);
  });
}
