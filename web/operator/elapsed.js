/** <betpe-elapsed .since=${iso}>: time since a moment, counted here every second without rendering anything else. */
import { clock } from "../shared/i18n.js";

const TICK_MS = 1_000;

class BetpeElapsed extends HTMLElement {
  #since = "";
  #timer = 0;

  /** @param {string | null} iso */
  set since(iso) {
    this.#since = iso ?? "";
    this.#show();
  }

  connectedCallback() {
    this.classList.add("numbers");
    this.#timer = setInterval(() => this.#show(), TICK_MS);
    this.#show();
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  #show() {
    this.textContent = this.#since ? clock((Date.now() - Date.parse(this.#since)) / 1000) : "";
  }
}
customElements.define("betpe-elapsed", BetpeElapsed);
