/**
 * The base of every component. Contract: `class X extends BetpeElement`; it renders into the page itself (light DOM:
 * one stylesheet, labels and ids that reach each other), and renders again when the language changes.
 * Styles come from classes only: the content security policy allows no style attribute.
 */
import { onLanguage } from "./i18n.js";
import { LitElement } from "./lit.js";

export class BetpeElement extends LitElement {
  /** @type {(() => void) | undefined} */
  #stopListening;

  createRenderRoot() {
    return this;
  }

  connectedCallback() {
    super.connectedCallback();
    this.#stopListening = onLanguage(() => this.requestUpdate());
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#stopListening?.();
  }
}
