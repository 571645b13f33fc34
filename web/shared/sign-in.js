/** Signing in with a one-time link: the same for the staff's pages and the interpreter's. */
import { asApiError, get, post } from "./api.js";

export const OPERATOR = "/api/operator";

/**
 * Redeem a link's token; the first snapshot. A used link opens nothing, but who is signed in here already just goes on.
 * @param {string} token
 * @param {string} [base] whose link it is
 */
export async function redeem(token, base = OPERATOR) {
  try {
    return await post(`${base}/sign-in`, { token });
  } catch (error) {
    if (asApiError(error).code !== "link_invalid") throw error;
    return get(base).catch(() => {
      throw error;
    });
  }
}
