/** Signing in with a one-time link: the same for every page of the staff. */
import { asApiError, get, post } from "./api.js";

export const OPERATOR = "/api/operator";

/**
 * Redeem a link's token; the first snapshot. A used link opens nothing, but who is signed in here already just goes on.
 * @param {string} token
 */
export async function redeem(token) {
  try {
    return await post(`${OPERATOR}/sign-in`, { token });
  } catch (error) {
    if (asApiError(error).code !== "link_invalid") throw error;
    return get(OPERATOR).catch(() => {
      throw error;
    });
  }
}
