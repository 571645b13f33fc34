/**
 * <betpe-chat>: messages and a line to write.
 * Contract: .messages = snapshot.messages, .own = "applicant" | "operator", .socket = the page's Socket,
 * .otherName = who writes from the other side. It sends, repeats what did not go (same client_id, so that it counts
 * once) when the socket has opened again, and shows what is still on its way.
 */
import { BetpeElement } from "./element.js";
import { t, time } from "./i18n.js";
import { icon } from "./icons.js";
import { html, nothing, repeat } from "./lit.js";
import { announce } from "./parts.js";

const LONGEST = 2000;

/** @typedef {{number: number, sender: "applicant" | "operator", text: string, sent_at: string, client_id: string}} Message */

class BetpeChat extends BetpeElement {
  static properties = {
    messages: { attribute: false },
    own: {},
    otherName: { attribute: false },
    socket: { attribute: false },
    pending: { state: true },
  };

  constructor() {
    super();
    /** @type {Message[]} */
    this.messages = [];
    /** @type {"applicant" | "operator"} */
    this.own = "applicant";
    this.otherName = "";
    /** @type {import("./socket.js").Socket | null} */
    this.socket = null;
    /** @type {{client_id: string, text: string}[]} */
    this.pending = [];
    this.seen = 0;
    this.resend = (/** @type {Event} */ event) => {
      if (/** @type {CustomEvent} */ (event).detail === "open") for (const each of this.pending) this.#send(each);
    };
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("socket")) {
      /** @type {import("./socket.js").Socket | undefined} */ (changed.get("socket"))?.removeEventListener(
        "status",
        this.resend,
      );
      this.socket?.addEventListener("status", this.resend);
    }
    if (changed.has("messages")) {
      const arrived = new Set(this.messages.map((message) => message.client_id));
      if (this.pending.some((each) => arrived.has(each.client_id))) {
        this.pending = this.pending.filter((each) => !arrived.has(each.client_id));
      }
    }
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    if (!changed.has("messages") && !changed.has("pending")) return;
    const log = this.querySelector(".chat__log");
    if (log) log.scrollTop = log.scrollHeight;
    const last = this.messages.at(-1);
    if (last && last.number > this.seen && this.seen > 0 && last.sender !== this.own) announce(last.text);
    this.seen = last?.number ?? 0;
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.socket?.removeEventListener("status", this.resend);
  }

  connectedCallback() {
    super.connectedCallback();
    this.socket?.addEventListener("status", this.resend);
  }

  /** @param {{client_id: string, text: string}} message */
  #send({ client_id, text }) {
    this.socket?.send({ type: "chat", text, client_id });
  }

  /** @param {SubmitEvent} event */
  #submit(event) {
    event.preventDefault();
    const line = /** @type {HTMLInputElement} */ (this.querySelector(".chat__line"));
    const text = line.value.trim().slice(0, LONGEST);
    if (!text) return;
    const message = { client_id: crypto.randomUUID(), text };
    this.pending = [...this.pending, message];
    this.#send(message);
    line.value = "";
    line.focus();
  }

  render() {
    return html`
      <div class="chat">
        <ol class="chat__log" tabindex="0" aria-label=${t("chat.messages")} data-testid="chat-log">
          ${this.messages.length + this.pending.length === 0
            ? html`<li class="chat__empty">${t("chat.empty")}</li>`
            : nothing}
          ${repeat(
            this.messages,
            (message) => message.number,
            (message) => html`
              <li class="chat__message ${message.sender === this.own ? "chat__message--own" : ""}">
                <span class="chat__who">
                  ${message.sender === this.own ? t("chat.you") : this.otherName || t("chat.other")},
                  ${time(message.sent_at)}
                </span>
                <span class="chat__text" dir="auto">${message.text}</span>
              </li>
            `,
          )}
          ${repeat(
            this.pending,
            (message) => message.client_id,
            (message) => html`
              <li class="chat__message chat__message--own">
                <span class="chat__who">${icon("clock")}${t("chat.sending")}</span>
                <span class="chat__text" dir="auto">${message.text}</span>
              </li>
            `,
          )}
        </ol>
        <form class="chat__form" @submit=${this.#submit}>
          <label class="hidden-visually" for="chat-line-${this.own}">${t("chat.write")}</label>
          <input
            class="input chat__line"
            id="chat-line-${this.own}"
            autocomplete="off"
            enterkeyhint="send"
            maxlength=${LONGEST}
            placeholder=${t("chat.write")}
            data-testid="chat-line"
          />
          <button class="button button--square" aria-label=${t("chat.send")} data-testid="chat-send">${icon("send")}</button>
        </form>
      </div>
    `;
  }
}
customElements.define("betpe-chat", BetpeChat);
