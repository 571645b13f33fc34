/**
 * <betpe-case>: the call. The video and the script at the left, the evidence at the right, the actions below; one place
 * for each, always the same. Contract: .desk, .talk, .snapshot, .revision; method toggleHelp().
 */
import "../shared/chat.js";
import { BetpeElement } from "../shared/element.js";
import { code, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing } from "../shared/lit.js";
import { announce } from "../shared/parts.js";
import { actions } from "./actions.js";
import "./challenge.js";
import { checkRows } from "./checks.js";
import "./decision-form.js";
import "./evidence.js";
import "./features.js";
import "./interpreter.js";
import { listen } from "./keys.js";
import { ownVideo } from "./own-video.js";
import "./stage.js";
import "./steps.js";
import "./undo.js";
import { checkName, outcomeStatus } from "./words.js";

export class BetpeCase extends BetpeElement {
  static properties = {
    desk: { attribute: false },
    talk: { attribute: false },
    snapshot: { attribute: false },
    revision: { attribute: false },
    form: { state: true },
    thirdLink: { state: true },
  };

  constructor() {
    super();
    /** @type {import("./desk.js").Desk} */
    this.desk = /** @type {any} */ (null);
    /** @type {import("./conversation.js").Conversation} */
    this.talk = /** @type {any} */ (null);
    /** @type {import("./types.js").Snapshot} */
    this.snapshot = /** @type {any} */ (null);
    this.revision = 0;
    /** What stands in the place of the steps. @type {"reject" | "refer" | "approve" | "challenge" | "features" | "interpreter" | null} */
    this.form = null;
    /** @type {(() => void) | undefined} */
    this.stopKeys = undefined;
    /** The interpreter's one-time link: the server tells it once. */
    this.thirdLink = "";
    this.lastMatch = "";
    this.wasRunning = false;
  }

  connectedCallback() {
    super.connectedCallback();
    this.stopKeys = listen((command) => this.#command(command));
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.stopKeys?.();
  }

  get hand() {
    return /** @type {import("./types.js").Case} */ (this.snapshot.case);
  }

  get live() {
    return this.hand.state === "in_call" || this.hand.state === "suspended";
  }

  /** @returns {import("./steps.js").BetpeSteps | null} */
  get #steps() {
    return this.querySelector("betpe-steps");
  }

  /** @returns {import("./evidence.js").BetpeEvidence | null} */
  get #evidence() {
    return this.querySelector("betpe-evidence");
  }

  willUpdate() {
    if (!this.live) this.form = null;
    const running = Boolean(this.hand.challenge);
    if (this.wasRunning && !running && this.form === "challenge") this.form = null; // its result is among the checks
    if (running && this.live) this.form ??= "challenge";
    this.wasRunning = running;
    const match = this.hand.checks.find((check) => check.check === "face_match");
    if (match && match.at !== this.lastMatch) {
      if (this.lastMatch || this.desk.busy.has("compare")) {
        announce(`${checkName("face_match")}: ${code("outcome", match.outcome)}`);
      }
      this.lastMatch = match.at;
    }
  }

  toggleHelp() {
    this.#evidence?.toggleHelp();
  }

  /** @param {import("./keys.js").Command} command @returns {boolean} whether it meant something here */
  #command(command) {
    if (command === "escape") return this.#back();
    if (command === "help") return this.#done(this.toggleHelp());
    if (command === "mute") return this.#done(this.talk.toggleMute());
    if (command === "wipe") return this.#done(this.#evidence?.toggleWipe());
    if (command === "chat") return this.#done(this.#focusChat());
    if (command === "undo") return this.hand.state === "deciding" && this.#done(this.#undo());
    if (!this.live) return command === "next";
    if (command.startsWith("reason_")) return this.form !== null && this.#done(this.#chooseReason(command));
    if (command === "confirm") return this.form !== null && this.#done((this.#form ?? this.#challengePanel)?.confirm());
    return this.#caseCommand(command);
  }

  /** @param {import("./keys.js").Command} command */
  #caseCommand(command) {
    if (command === "compare") return this.#done(this.#compare());
    if (this.form === "features" && this.#features?.command(command)) return true;
    if (command === "capture") return this.#done(this.#capture());
    if (command === "tilt") return this.#done(this.#tilt());
    if (command === "features") return this.#done(void this.#examine());
    if (command === "reject" || command === "refer") return this.#done(this.#open(command));
    if (command === "challenge") return this.hand.state === "in_call" && this.#done(this.#open(command));
    if (command === "approve") return this.#done(this.#approve());
    if (this.form) return command === "next"; // the script is hidden: its keys do nothing, and nothing scrolls
    if (command === "next") return this.#done(this.#steps?.next());
    if (command === "problem") return this.#done(void this.#steps?.problem());
    if (command === "skip") return this.#done(this.#steps?.skip());
    return false;
  }

  /** @param {unknown} _ what was done @returns {true} */
  #done(_) {
    return true;
  }

  /** @returns {import("./decision-form.js").BetpeDecisionForm | null} */
  get #form() {
    return this.querySelector("betpe-decision-form");
  }

  /** @returns {import("./challenge.js").BetpeChallengePanel | null} */
  get #challengePanel() {
    return this.querySelector("betpe-challenge-panel");
  }

  /** @returns {import("./features.js").BetpeFeatures | null} */
  get #features() {
    return this.querySelector("betpe-features");
  }

  /** @param {string} command */
  #chooseReason(command) {
    void this.#form?.choose(Number(command.slice("reason_".length)));
  }

  /** Escape: out of what was opened last. */
  #back() {
    if (this.#evidence?.back()) return true;
    if (this.form) return this.#done(this.#leaveForm());
    if (this.#steps?.back()) return this.#done(/** @type {HTMLElement | null} */ (document.activeElement)?.blur());
    const active = document.activeElement;
    if (active instanceof HTMLElement && active.matches(".chat__line")) return this.#done(active.blur());
    return false;
  }

  #focusChat() {
    /** @type {HTMLElement | null} */ (this.querySelector(".chat__line"))?.focus();
  }

  #compare() {
    if (this.hand.state !== "in_call" || this.hand.challenge) return; // the challenge looks at the same frames
    void this.desk.run("compare", "POST", "case/compare");
  }

  async #capture() {
    if (this.hand.state !== "in_call") return;
    if (await this.desk.run("capture", "POST", "case/still")) announce(t("stills.taken"));
  }

  /** The server asks the citizen to tilt the card; what it shows then is the snapshot's challenge. */
  #tilt() {
    if (this.hand.state !== "in_call" || this.hand.challenge) return;
    this.form = null;
    void this.desk.run("tilt", "POST", "case/tilt");
  }

  /** Security features: the server picks them once for a call. */
  async #examine() {
    if (this.hand.features) return this.#open("features");
    if (this.hand.state !== "in_call" || this.hand.challenge) return;
    if (await this.desk.run("features", "POST", "case/features")) this.#open("features");
  }

  #undo() {
    void this.desk.run("undo", "POST", "case/decision/undo");
  }

  /** @param {"reject" | "refer" | "approve" | "challenge" | "features" | "interpreter"} form */
  #open(form) {
    this.desk.clearFailure();
    this.form = form;
  }

  #leaveForm() {
    const { form } = this;
    this.form = null;
    void this.updateComplete.then(() => {
      if (form) /** @type {HTMLElement | null} */ (this.querySelector(`[data-testid="${form === "interpreter" ? "third-open" : form}"]`))?.focus();
    });
  }

  #approve() {
    const { approval } = this.hand.recommendation;
    if (approval === "refused") return;
    if (approval === "needs_reason") this.#open("approve");
    else void this.#decide({ outcome: "approve" });
  }

  /** @param {Record<string, unknown>} decision */
  async #decide(decision) {
    if (await this.desk.run("decision", "POST", "case/decision", decision)) this.form = null;
  }

  /** What an approval has to give a reason for. */
  get #remarks() {
    return this.hand.recommendation.parts
      .filter((part) => part.effect === "needs_reason")
      .map((part) => {
        const said = part.check.startsWith("step_") ? part.reasons[0]?.slice("step_".length) : undefined;
        const outcome = said ? code("step_outcome", said) : code("outcome", part.outcome).toLowerCase();
        return t("refused.part", { check: checkName(part.check), outcome });
      });
  }

  #failure() {
    const { failure } = this.desk;
    if (!failure) return nothing;
    return html`
      <div class="failure" role="alert" data-testid="failure" data-code=${failure.error.code}>
        ${icon("warning")}<span>${failure.error.words()}</span>
        <button type="button" class="small-button" aria-label=${t("common.close")} @click=${() => this.desk.clearFailure()}>${icon("cross")}</button>
      </div>
    `;
  }

  #challenge() {
    const busy = this.desk.busy.has("challenge");
    const ask = (/** @type {string} */ path, /** @type {Record<string, unknown>} */ body) =>
      void this.desk.run("challenge", "POST", path, body);
    return html`
      <betpe-challenge-panel
        .challenge=${this.hand.challenge ?? null}
        ?busy=${busy}
        @begin=${(/** @type {CustomEvent} */ event) => ask("case/challenge", { needs: event.detail })}
        @stop=${() => ask("case/challenge/stop", {})}
        @leave=${() => this.#leaveForm()}
      ></betpe-challenge-panel>
    `;
  }

  /** @param {{name: string, language: string}} asked */
  async #inviteThird(asked) {
    if (!(await this.desk.run("interpreter", "POST", "case/interpreter", asked))) return;
    const link = new URL("interpreter.html", location.href);
    link.hash = new URLSearchParams({ token: this.desk.answer.interpreter_token }).toString();
    this.thirdLink = link.href;
  }

  #third() {
    return html`
      <betpe-interpreter
        .third=${this.hand.interpreter ?? null}
        .languages=${this.desk.service?.interpreted_languages ?? []}
        .link=${this.thirdLink}
        ?busy=${this.desk.busy.has("interpreter")}
        @invite=${(/** @type {CustomEvent} */ event) => void this.#inviteThird(event.detail)}
        @end=${() => void this.desk.run("interpreter", "POST", "case/interpreter/end")}
        @leave=${() => this.#leaveForm()}
      ></betpe-interpreter>
    `;
  }

  #script() {
    const { service } = this.desk;
    if (this.form === "interpreter") return this.#third();
    if (this.form === "challenge") return this.#challenge();
    if (this.form === "features") {
      return html`
        <betpe-features
          .desk=${this.desk}
          .features=${this.hand.features ?? []}
          .spoken=${this.hand.language}
          .revision=${this.revision}
          @leave=${() => this.#leaveForm()}
        ></betpe-features>
      `;
    }
    if (this.form && service) {
      return html`
        <betpe-decision-form
          .kind=${this.form}
          .reasons=${this.form === "reject" ? service.reject_reasons : this.form === "refer" ? service.refer_reasons : []}
          .remarks=${this.#remarks}
          ?busy=${this.desk.busy.has("decision")}
          @decide=${(/** @type {CustomEvent} */ event) => void this.#decide(event.detail)}
          @leave=${() => this.#leaveForm()}
        ></betpe-decision-form>
      `;
    }
    return html`
      <betpe-steps
        .desk=${this.desk}
        .case=${this.hand}
        .steps=${service?.steps ?? []}
        .operatorName=${this.snapshot.operator.name}
        .revision=${this.revision}
        @compare=${() => this.#compare()}
        @tilt=${() => this.#tilt()}
        @features=${() => void this.#examine()}
      ></betpe-steps>
      ${this.talk.own.status === "on" ? ownVideo(this.talk.own.stream) : nothing}
    `;
  }

  #bottom() {
    const { hand } = this;
    if (hand.state === "deciding" && hand.decision) {
      return html`<betpe-undo .desk=${this.desk} .decision=${hand.decision}></betpe-undo>`;
    }
    return actions({
      hand,
      busy: this.desk.busy,
      online: this.desk.link === "open",
      compare: () => this.#compare(),
      capture: () => void this.#capture(),
      challenge: () => this.#open("challenge"),
      refer: () => this.#open("refer"),
      reject: () => this.#open("reject"),
      approve: () => this.#approve(),
    });
  }

  render() {
    if (!this.snapshot.case) return nothing;
    const { hand } = this;
    const open = checkRows(hand).filter((row) => row.outcome === "failed");
    return html`
      <main class="case" data-state=${hand.state}>
        <h1 class="hidden-visually" tabindex="-1">${t("case.title")}</h1>
        <section class="stage" aria-label=${t("case.video")}>
          <betpe-stage .desk=${this.desk} .talk=${this.talk} .case=${hand} .revision=${this.revision} @interpreter=${() => this.#open("interpreter")}></betpe-stage>
        </section>
        <section class="script ${this.form ? "script--form" : ""}">${this.#failure()}<div class="script__body">${this.#script()}</div></section>
        <aside class="evidence" aria-label=${t("case.evidence")}>
          <betpe-evidence .desk=${this.desk} .case=${hand} .revision=${this.revision}></betpe-evidence>
          ${open.length > 0 ? html`<p class="hidden-visually" role="status">${open.map((row) => html`${checkName(row.name)}: ${outcomeStatus(row.outcome)}. `)}</p>` : nothing}
        </aside>
        <section class="talk" aria-labelledby="chat-title">
          <h2 id="chat-title" class="part-title">${icon("chat")}${t("chat.title")}<kbd class="key" aria-hidden="true">T</kbd></h2>
          <betpe-chat own="operator" .messages=${hand.messages} .otherName=${t("chat.citizen")} .socket=${this.desk.socket}></betpe-chat>
        </section>
        <section class="actions" aria-label=${t("actions.title")}>${this.#bottom()}</section>
      </main>
    `;
  }
}
customElements.define("betpe-case", BetpeCase);
