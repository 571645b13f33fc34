/**
 * One-key commands. Keys are told by their place (event.code), so that they are the same on Kazakh, Russian and Latin
 * layouts; they do nothing while somebody types, and can be switched off as a whole (WCAG 2.1.4).
 *
 * Contract
 *   KEYS.compare -> {code: "KeyF", label: "F"}; label("next") -> "Space" in the page's language
 *   listen((command, event) => handled) -> a function that stops listening; a command handled stops the browser's own
 *   keysEnabled(), enableKeys(true)
 */
import { t } from "../shared/i18n.js";

export const KEYS = /** @type {const} */ ({
  next: { code: "Space", label: "" },
  problem: { code: "KeyP", label: "P" },
  skip: { code: "KeyS", label: "S" },
  compare: { code: "KeyF", label: "F" },
  challenge: { code: "KeyL", label: "L" },
  tilt: { code: "KeyI", label: "I" },
  features: { code: "KeyH", label: "H" },
  confirmed: { code: "KeyY", label: "Y" },
  denied: { code: "KeyN", label: "N" },
  not_seen: { code: "KeyU", label: "U" },
  capture: { code: "KeyC", label: "C" },
  approve: { code: "KeyA", label: "A" },
  reject: { code: "KeyX", label: "X" },
  refer: { code: "KeyR", label: "R" },
  undo: { code: "KeyZ", label: "Z" },
  wipe: { code: "KeyW", label: "W" },
  mute: { code: "KeyM", label: "M" },
  chat: { code: "KeyT", label: "T" },
  help: { code: "KeyK", label: "K" },
  confirm: { code: "Enter", label: "Enter" },
  escape: { code: "Escape", label: "Esc" },
});

/** @typedef {keyof typeof KEYS | `reason_${number}`} Command */

/** @type {Map<string, Command>} */
const COMMANDS = new Map(Object.entries(KEYS).map(([command, { code }]) => [code, /** @type {Command} */ (command)]));
COMMANDS.set("NumpadEnter", "confirm");
for (let digit = 1; digit <= 9; digit += 1) {
  COMMANDS.set(`Digit${digit}`, `reason_${digit}`);
  COMMANDS.set(`Numpad${digit}`, `reason_${digit}`);
}

/** @param {keyof typeof KEYS} command */
export const label = (command) => KEYS[command].label || t("key.space");

const REMEMBERED_AS = "betpe.operator.keys";

export function keysEnabled() {
  try {
    return localStorage.getItem(REMEMBERED_AS) !== "off";
  } catch {
    return true; // storage is switched off: nothing is remembered, the keys work
  }
}

/** @param {boolean} on */
export function enableKeys(on) {
  try {
    localStorage.setItem(REMEMBERED_AS, on ? "on" : "off");
  } catch {
    // as above
  }
}

/** Text goes into these; a choice list takes letters too. @param {Element} target */
const takesText = (target) =>
  target.closest("textarea, select, [contenteditable]") !== null ||
  (target instanceof HTMLInputElement && !["range", "checkbox", "radio", "button"].includes(target.type));

/** Space and Enter belong to a control that has the focus. @param {Element} target @param {string} code */
const controlsItself = (target, code) =>
  (code === "Space" || code === "Enter" || code === "NumpadEnter") &&
  target.closest("button, a[href], summary, input") !== null;

/** @param {(command: Command, event: KeyboardEvent) => boolean} handle */
export function listen(handle) {
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const command = COMMANDS.get(event.code);
    const target = event.target instanceof Element ? event.target : document.body;
    if (!command || event.defaultPrevented || event.isComposing) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (command !== "escape") {
      if (takesText(target) || controlsItself(target, event.code)) return;
      if (!keysEnabled() && command !== "confirm") return;
    }
    if (event.repeat) {
      if (command === "next") event.preventDefault(); // a Space held down scrolls nothing and skips nothing
      return;
    }
    if (handle(command, event)) event.preventDefault();
  };
  // A button clicked with the mouse keeps no focus: else the next Space would press it again.
  const onClick = (/** @type {MouseEvent} */ event) => {
    if (event.detail === 0 || !(event.target instanceof Element)) return;
    const control = event.target.closest("button, summary");
    if (control instanceof HTMLElement && control === document.activeElement) control.blur();
  };
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  return () => {
    document.removeEventListener("keydown", onKey);
    document.removeEventListener("click", onClick);
  };
}
