/**
 * <betpe-operator>: the whole page. It shows one of the screens and says which in body[data-screen]:
 * loading, signing-in, link-invalid, signed-out, left, elsewhere, no-right, unreachable, rest, call, wrap-up.
 */
import { BetpeElement } from "../shared/element.js";
import { t } from "../shared/i18n.js";
import { html, nothing } from "../shared/lit.js";
import { keepAwake } from "../shared/awake.js";
import { announce, notice } from "../shared/parts.js";
import { chime } from "./chime.js";
import { Conversation } from "./conversation.js";
import { Desk, WORKING_ROLES } from "./desk.js";
import { gate } from "./gates.js";
import { header } from "./header.js";
import "./case.js";
import "./rest.js";
import "./wrap-up.js";

export class BetpeOperator extends BetpeElement {
  constructor() {
    super();
    this.desk = new Desk();
    this.talk = new Conversation(this.desk);
    this.begun = false;
    this.caseId = "";
    this.shownScreen = "";
    this.desk.addEventListener("change", () => {
      this.talk.follow();
      this.requestUpdate();
    });
    this.talk.addEventListener("change", () => this.requestUpdate());
    const network = () => this.requestUpdate();
    addEventListener("online", network);
    addEventListener("offline", network);
    addEventListener("hashchange", () => void this.desk.open(this.#takeToken()));
  }

  /** The texts are there: show the page and sign in. */
  begin() {
    this.begun = true;
    this.requestUpdate();
    void this.desk.open(this.#takeToken());
  }

  /** The one-time token of the address, which leaves the address (and the history) at once. */
  #takeToken() {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (token) history.replaceState(null, "", location.pathname + location.search);
    return token;
  }

  /** @returns {string} */
  get screen() {
    const { snapshot } = this.desk;
    if (this.desk.gate) return this.desk.gate.replace("_", "-");
    if (!snapshot) return "loading";
    if (!WORKING_ROLES.includes(snapshot.operator.role)) return "no-right";
    if (!snapshot.case) return "rest";
    return snapshot.case.wrapping ? "wrap-up" : "call";
  }

  updated() {
    if (!this.begun) return;
    const { screen } = this;
    document.body.dataset.screen = screen;
    document.body.dataset.state = this.desk.snapshot?.case?.state ?? "";
    const inCall = screen === "call";
    document.title = inCall ? `${t("title.in_call")} - Betpe-bet` : `${t("title.page")} - Betpe-bet`;
    keepAwake(inCall);
    this.#greetNewCase();
    if (screen === this.shownScreen) return;
    const first = this.shownScreen === "";
    this.shownScreen = screen;
    if (!first) void this.#focusHeading();
  }

  /** A new screen begins at its heading, for those who hear the page. */
  async #focusHeading() {
    for (const child of this.querySelectorAll("betpe-rest, betpe-case, betpe-wrap-up")) {
      await /** @type {BetpeElement} */ (child).updateComplete;
    }
    /** @type {HTMLElement | null} */ (this.querySelector("h1"))?.focus({ preventScroll: true });
  }

  #greetNewCase() {
    const id = this.desk.snapshot?.case && !this.desk.snapshot.case.wrapping ? this.desk.snapshot.case.id : "";
    if (id === this.caseId) return;
    this.caseId = id;
    if (!id) return;
    chime();
    announce(t("media.waiting"));
  }

  #linkLine() {
    if (this.desk.gate || (this.desk.link !== "lost" && navigator.onLine)) return nothing;
    const words = navigator.onLine ? t("link.lost") : t("link.offline");
    return html`<div class="link-line" role="status">${notice("warn", words, { testid: "link-lost" })}</div>`;
  }

  render() {
    if (!this.begun) return nothing;
    const { desk, talk, screen } = this;
    const { snapshot, service } = desk;
    if (screen !== "rest" && screen !== "call" && screen !== "wrap-up") {
      return gate(screen, {
        role: snapshot?.operator.role ?? "unknown",
        records: snapshot?.operator.role === "auditor",
        openHere: () => void desk.openHere(),
      });
    }
    if (!snapshot || !service) return nothing;
    return html`
      ${header(desk, snapshot, service, screen, () => this.#help())} ${this.#linkLine()}
      ${screen === "rest"
        ? html`<betpe-rest .desk=${desk} .talk=${talk} .snapshot=${snapshot} .revision=${this.#revision()}></betpe-rest>`
        : nothing}
      ${screen === "call"
        ? html`<betpe-case .desk=${desk} .talk=${talk} .snapshot=${snapshot} .revision=${this.#revision()}></betpe-case>`
        : nothing}
      ${screen === "wrap-up"
        ? html`<betpe-wrap-up .desk=${desk} .snapshot=${snapshot} .revision=${this.#revision()}></betpe-wrap-up>`
        : nothing}
    `;
  }

  /** Desk and conversation change inside: a new number each time tells the parts to render again. */
  #revision() {
    this.count = (this.count ?? 0) + 1;
    return this.count;
  }

  #help() {
    const inCase = /** @type {import("./case.js").BetpeCase | null} */ (this.querySelector("betpe-case"));
    inCase?.toggleHelp();
  }
}
customElements.define("betpe-operator", BetpeOperator);
