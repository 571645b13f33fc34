/** The base of every screen. Contract: `.journey` is set before it is shown; it renders again when the journey changes. */
import { BetpeElement } from "../shared/element.js";

/**
 * What went wrong, as something that can be said in any language at any time.
 * @typedef {{words: () => string}} Fault
 */

export class Screen extends BetpeElement {
  /** @type {Record<string, unknown>} */
  static properties = { journey: { attribute: false } };

  #follow = () => this.requestUpdate();

  constructor() {
    super();
    this.journey = /** @type {import("./journey.js").Journey} */ (/** @type {unknown} */ (undefined));
  }

  connectedCallback() {
    super.connectedCallback();
    this.journey.addEventListener("change", this.#follow);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.journey.removeEventListener("change", this.#follow);
  }
}
