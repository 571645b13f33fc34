/**
 * <betpe-records>: the page of records. It shows one of the screens and says which in body[data-screen]:
 * loading, signing-in, link-invalid, signed-out, left, unreachable, list, live, opening, record, failed.
 */
import "../shared/languages.js";
import { gate } from "../operator/gates.js";
import { BetpeElement } from "../shared/element.js";
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { notice, spinner } from "../shared/parts.js";
import { Archive } from "./archive.js";
import { list } from "./list.js";
import "./live.js";
import "./record.js";

export class BetpeRecords extends BetpeElement {
  constructor() {
    super();
    this.archive = new Archive();
    this.begun = false;
    this.sought = "";
    this.shownScreen = "";
    this.archive.addEventListener("change", () => this.requestUpdate());
    addEventListener("hashchange", () => this.#followAddress());
  }

  /** The texts are there: show the page and sign in. */
  begin() {
    this.begun = true;
    const { token, session, live } = this.#address();
    this.archive.wanted = session;
    this.archive.watched = live;
    void this.archive.open(token);
  }

  /** The one-time token leaves the address (and the history) at once; the session stays: it can be gone back to. */
  #address() {
    const words = new URLSearchParams(location.hash.slice(1));
    const token = words.get("token");
    if (token) history.replaceState(null, "", location.pathname + location.search);
    return { token, session: words.get("session"), live: words.get("live") };
  }

  #followAddress() {
    const { token, session, live } = this.#address();
    if (token) void this.archive.open(token);
    else {
      this.archive.watch(live);
      void this.archive.show(session);
    }
  }

  /** @returns {string} */
  get screen() {
    const { gate: closed, listing, wanted, watched, record, failure } = this.archive;
    if (closed) return closed.replace("_", "-");
    if (!listing) return "loading";
    if (watched && listing.viewer.role === "supervisor") return "live";
    if (!wanted) return "list";
    if (failure) return "failed";
    return record ? "record" : "opening";
  }

  updated() {
    if (!this.begun) return;
    const { screen } = this;
    document.body.dataset.screen = screen;
    document.title = `${t("records.title")} - Betpe-bet`;
    if (screen === this.shownScreen) return;
    const first = this.shownScreen === "";
    this.shownScreen = screen;
    // A new screen begins at its heading, for those who hear the page.
    if (!first) /** @type {HTMLElement | null} */ (this.querySelector("h1"))?.focus({ preventScroll: true });
  }

  #header() {
    const { viewer } = /** @type {import("./types.js").Listing} */ (this.archive.listing);
    return html`
      <header class="top">
        <span class="brand">${t("product.name")}</span>
        ${this.archive.wanted || this.archive.watched
          ? html`<a class="records__back" href="#" data-testid="records-back">${icon("back")}${t("records.back")}</a>`
          : nothing}
        <div class="top__person records__person">
          <betpe-languages short></betpe-languages>
          <span class="top__name">
            ${icon("person")}
            <span><b>${viewer.name}</b><span class="quiet">${code("role", viewer.role)}</span></span>
          </span>
          ${viewer.role === "auditor"
            ? html`
                <button type="button" class="button button--secondary" data-testid="sign-out" @click=${() => void this.archive.signOut()}>
                  ${t("header.sign_out")}
                </button>
              `
            : nothing}
        </div>
      </header>
    `;
  }

  #body() {
    const { archive } = this;
    switch (this.screen) {
      case "list":
        return list(archive, this.sought, (text) => {
          this.sought = text;
          this.requestUpdate();
        });
      case "live": {
        const call = archive.calls.find(({ id }) => id === archive.watched) ?? null;
        return html`<betpe-live .session=${archive.watched} .call=${call}></betpe-live>`;
      }
      case "record":
        return html`<betpe-record .record=${archive.record}></betpe-record>`;
      case "failed":
        return html`
          <main class="records">
            <h1 tabindex="-1">${t("records.title")}</h1>
            <div role="alert">${notice("bad", archive.failure?.words() ?? "", { testid: "record-failure" })}</div>
            <p>
              <button type="button" class="button button--secondary" @click=${() => void archive.show(archive.wanted)}>
                ${t("common.try_again")}
              </button>
            </p>
          </main>
        `;
      default:
        return html`<main class="records">${spinner(t("records.opening"))}</main>`;
    }
  }

  render() {
    if (!this.begun) return nothing;
    const { screen } = this;
    if (!this.archive.listing || this.archive.gate) {
      return gate(screen, { role: "unknown", openHere: () => undefined });
    }
    return html`${this.#header()} ${this.#body()}`;
  }
}
customElements.define("betpe-records", BetpeRecords);
