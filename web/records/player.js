/**
 * <betpe-player .record=${record}>: both pictures side by side, an interpreter's with them, one clock, what happened as marks on the time bar and
 * as a list. Keys (while nothing is being typed): Space plays and pauses, the arrows go 5 s, N and P go to the marks.
 */
import { BetpeElement } from "../shared/element.js";
import { clock, code, number, t } from "../shared/i18n.js";
import { icon } from "../shared/icons.js";
import { html, nothing, svg } from "../shared/lit.js";
import { notice, status } from "../shared/parts.js";
import { segmentUrl } from "./archive.js";
import { Playback } from "./playback.js";
import { markWords } from "./words.js";

const LEGS = /** @type {const} */ (["applicant", "operator", "interpreter"]);
/** Where an end's recordings stand in the time bar. */
const ROWS = { applicant: 15, operator: 20, interpreter: 25 };
const RATES = [1, 1.5, 2];
const STEP_SECONDS = 5;
/** Going to the mark before, within this time of a mark, means the one before that. */
const JUST_PASSED = 1;
/** Units across the time bar, whatever its width. */
const BAR = 1000;
const MARK_WIDTH = 3;

class BetpePlayer extends BetpeElement {
  static properties = { record: { attribute: false } };

  constructor() {
    super();
    /** @type {import("./types.js").RecordView} */
    this.record = /** @type {any} */ (null);
    /** @type {Playback | null} */
    this.playback = null;
    /** @type {Set<string>} */
    this.silenced = new Set();
    /** @type {HTMLElement | null} */
    this.shownMark = null;
    this.onKey = (/** @type {KeyboardEvent} */ event) => this.#key(event);
  }

  connectedCallback() {
    super.connectedCallback();
    document.addEventListener("keydown", this.onKey);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("keydown", this.onKey);
    this.playback?.end();
    this.playback = null;
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has("record")) return;
    this.playback?.end();
    const { session, segments, seconds } = this.record;
    this.playback = new Playback(segments, seconds, ({ leg, number: n }) => segmentUrl(session.id, leg, n));
    this.playback.addEventListener("change", () => this.requestUpdate());
  }

  updated() {
    for (const leg of LEGS) this.playback?.attach(leg, this.querySelector(`video[data-leg="${leg}"]`));
    this.#showCurrent();
  }

  /** The list follows what is played; a reader who scrolls it is left alone until the next mark. */
  #showCurrent() {
    const list = /** @type {HTMLElement | null} */ (this.querySelector(".player__marks ol"));
    const mark = /** @type {HTMLElement | null} */ (list?.querySelector('[aria-current="true"]') ?? null);
    if (!list || mark === this.shownMark) return;
    this.shownMark = mark;
    if (mark) list.scrollTop = mark.offsetTop - list.offsetTop - list.clientHeight / 2;
  }

  get #marks() {
    return this.record.marks.filter((mark) => mark.seconds !== null);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = event.target instanceof Element ? event.target : document.body;
    if (!this.playback || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (target.closest("input, select, textarea")) return;
    if (event.code === "Space" && target.closest("button, a[href], summary")) return;
    const { playback } = this;
    /** @type {Record<string, () => void>} */
    const commands = {
      Space: () => this.#toggle(),
      ArrowLeft: () => playback.seek(playback.time - STEP_SECONDS),
      ArrowRight: () => playback.seek(playback.time + STEP_SECONDS),
      KeyN: () => this.#toMark(1),
      KeyP: () => this.#toMark(-1),
    };
    const command = commands[event.code];
    if (!command) return;
    event.preventDefault();
    command();
  }

  #toggle() {
    if (this.playback?.playing) this.playback.pause();
    else this.playback?.play();
  }

  /** @param {1 | -1} way */
  #toMark(way) {
    const { time } = /** @type {Playback} */ (this.playback);
    const places = this.#marks.map((mark) => /** @type {number} */ (mark.seconds));
    const next =
      way > 0 ? places.find((place) => place > time + 0.05) : places.findLast((place) => place < time - JUST_PASSED);
    if (next !== undefined) this.playback?.seek(next);
  }

  /** The last mark before this moment. */
  #current() {
    const { time } = /** @type {Playback} */ (this.playback);
    return this.#marks.findLast((mark) => /** @type {number} */ (mark.seconds) <= time + 0.05) ?? null;
  }

  /** A mark that was clicked keeps no focus: the next Space plays. @param {MouseEvent} event @param {import("./types.js").Mark} mark */
  #choose(event, mark) {
    this.playback?.seek(mark.seconds ?? 0);
    if (event.detail > 0) /** @type {HTMLElement} */ (event.currentTarget).blur();
  }

  /** An interpreter is rare: there is a place for her where she was. */
  get #legs() {
    const interpreted = this.record.segments.some(({ leg }) => leg === "interpreter");
    return LEGS.filter((leg) => leg !== "interpreter" || interpreted);
  }

  /** @param {string} leg */
  #silence(leg) {
    if (!this.silenced.delete(leg)) this.silenced.add(leg);
    this.requestUpdate();
  }

  /** @param {import("./types.js").Leg} leg */
  #side(leg) {
    const playback = /** @type {Playback} */ (this.playback);
    const side = playback.side(leg);
    const shown = side.at(playback.time);
    const off = this.silenced.has(leg);
    /** @type {unknown} */
    let instead = nothing;
    if (side.failed) instead = html`${icon("warning")}${t("player.cannot_play")}`;
    else if (side.segments.length === 0) instead = html`${icon("camera_off")}${t("player.not_recorded")}`;
    else if (!shown) instead = html`${icon("camera_off")}${t("player.not_connected")}`;
    return html`
      <figure class="player__side" data-testid="player-${leg}">
        <div class="player__picture dark">
          <video data-leg=${leg} playsinline preload="auto" ?hidden=${!shown || side.failed} .muted=${off} aria-label=${code("leg", leg)}></video>
          ${instead === nothing ? nothing : html`<p class="player__instead">${instead}</p>`}
          ${shown && side.damaged(playback.time)
            ? html`<p class="player__damage" data-testid="damaged-${leg}">${icon("warning")}${t("player.damaged_now")}</p>`
            : nothing}
        </div>
        <figcaption>
          <span>${code("leg", leg)}</span>
          <button
            type="button"
            class="small-button"
            aria-pressed=${off ? "true" : "false"}
            aria-label=${t(`player.silence.${leg}`)}
            @click=${() => this.#silence(leg)}
          >
            ${icon(off ? "sound_off" : "sound")}
          </button>
        </figcaption>
      </figure>
    `;
  }

  /** Where there are pictures, where they are damaged, and where something happened. */
  #bar() {
    const playback = /** @type {Playback} */ (this.playback);
    const { segments, seconds } = this.record;
    const place = (/** @type {number} */ at) => (BAR * at) / seconds;
    const row = (/** @type {import("./types.js").Segment} */ { leg }) => ROWS[leg];
    return svg`
      <svg class="player__bar" viewBox="0 0 ${BAR} 30" preserveAspectRatio="none" aria-hidden="true">
        ${segments
          .filter(({ starts }) => starts !== null)
          .map(
            (segment) => svg`
              <rect class="bar__segment" x=${place(segment.starts ?? 0)} y=${row(segment)} width=${place(segment.seconds)} height="4"/>
              ${segment.damaged.map(
                ([first, last]) => svg`
                  <rect class="bar__damage" x=${place((segment.starts ?? 0) + first)} y=${row(segment) - 1}
                    width=${Math.max(MARK_WIDTH, place(last - first))} height="6"/>`,
              )}`,
          )}
        ${this.#marks.map(
          (mark) => svg`
            <rect class="bar__mark bar__mark--${mark.kind}" data-kind=${mark.kind} x=${place(mark.seconds ?? 0) - MARK_WIDTH / 2} y="0"
              width=${MARK_WIDTH} height="14" @click=${() => playback.seek(mark.seconds ?? 0)}>
              <title>${clock(mark.seconds ?? 0)} ${markWords(mark)}</title>
            </rect>`,
        )}
        <rect class="bar__now" x=${place(playback.time) - 1} y="0" width="2" height="30"/>
      </svg>
    `;
  }

  #controls() {
    const playback = /** @type {Playback} */ (this.playback);
    const { seconds } = this.record;
    return html`
      <div class="player__bars">
        ${this.#bar()}
        <input
          type="range"
          class="player__range"
          min="0"
          max=${seconds}
          step="0.1"
          data-testid="player-range"
          aria-label=${t("player.position")}
          aria-valuetext=${t("player.position.of", { at: clock(playback.time), of: clock(seconds) })}
          .value=${String(playback.time)}
          @input=${(/** @type {Event} */ event) => playback.seek(Number(/** @type {HTMLInputElement} */ (event.target).value))}
        />
      </div>
      <div class="player__controls">
        <button type="button" class="button" data-testid="player-play" aria-keyshortcuts="Space" @click=${() => this.#toggle()}>
          ${icon(playback.playing ? "pause" : "play")}${playback.playing ? t("player.pause") : t("player.play")}
        </button>
        <button type="button" class="small-button" aria-keyshortcuts="P" @click=${() => this.#toMark(-1)}>${t("player.mark_before")}</button>
        <button type="button" class="small-button" aria-keyshortcuts="N" @click=${() => this.#toMark(1)}>${t("player.mark_next")}</button>
        <span class="numbers" data-testid="player-time">${clock(playback.time)} / ${clock(seconds)}</span>
        <span class="player__state" role="status">${playback.stalled ? status("wait", t("player.loading")) : nothing}</span>
        <label class="player__rate">
          <span>${t("player.rate")}</span>
          <select class="input" @change=${(/** @type {Event} */ event) => playback.setRate(Number(/** @type {HTMLSelectElement} */ (event.target).value))}>
            ${RATES.map((rate) => html`<option value=${rate} ?selected=${rate === playback.rate}>${number(rate)}×</option>`)}
          </select>
        </label>
      </div>
    `;
  }

  #list() {
    const current = this.#current();
    return html`
      <section class="card player__marks" aria-labelledby="marks-title">
        <h2 id="marks-title">${t("player.marks")}</h2>
        ${this.record.marks.length === 0 ? html`<p class="quiet">${t("player.no_marks")}</p>` : nothing}
        <ol>
          ${this.record.marks.map((mark) =>
            mark.seconds === null
              ? html`<li class="mark mark--outside"><span class="numbers">–</span><span>${markWords(mark)}</span></li>`
              : html`
                  <li>
                    <button
                      type="button"
                      class="mark"
                      data-testid="mark"
                      data-kind=${mark.kind}
                      data-step=${mark.data.step ?? ""}
                      aria-current=${mark === current ? "true" : "false"}
                      @click=${(/** @type {MouseEvent} */ event) => this.#choose(event, mark)}
                    >
                      <span class="numbers">${clock(mark.seconds)}</span><span>${markWords(mark)}</span>
                    </button>
                  </li>
                `,
          )}
        </ol>
      </section>
    `;
  }

  render() {
    const playable = this.record.segments.some((segment) => segment.playable);
    return html`
      <div class="player">
        <section class="player__stage" aria-label=${t("player.title")}>
          ${playable
            ? html`
                <div class="player__sides ${this.#legs.length > 2 ? "player__sides--three" : ""}">${this.#legs.map((leg) => this.#side(leg))}</div>
                ${this.#controls()}
                <p class="quiet small">${t("player.keys")}</p>
              `
            : notice("info", t("player.nothing"), { testid: "player-nothing" })}
        </section>
        ${this.#list()}
      </div>
    `;
  }
}
customElements.define("betpe-player", BetpePlayer);
