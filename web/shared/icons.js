/** Drawn signs, 24 x 24, one stroke, in the colour of the text beside them. Contract: icon("camera") inside a template. */
import { html, svg } from "./lit.js";

const SHAPES = {
  back: svg`<path d="M15 5l-7 7 7 7"/>`,
  camera: svg`<rect x="3" y="6" width="12.5" height="12" rx="2"/><path d="M15.5 10.5L21 7.5v9l-5.5-3"/>`,
  camera_off: svg`<path d="M8 6h5.5a2 2 0 0 1 2 2v3l5.5-3.5v9l-3-1.5M15 18H5a2 2 0 0 1-2-2V8a2 2 0 0 1 1-1.7M3 3l18 18"/>`,
  camera_switch: svg`<path d="M4 8.5h11l-3-3M20 15.5H9l3 3"/>`,
  card: svg`<rect x="2.5" y="5" width="19" height="14" rx="2"/><circle cx="8" cy="11" r="2"/><path d="M5 16c.6-1.6 1.7-2.2 3-2.2s2.4.6 3 2.2M14 10h4.5M14 13.5h4.5"/>`,
  chat: svg`<path d="M4 5h16v11H10l-4.5 4v-4H4z"/>`,
  clock: svg`<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3.5 2"/>`,
  cross: svg`<path d="M6 6l12 12M18 6L6 18"/>`,
  download: svg`<path d="M12 4v11M7.5 11l4.5 4.5 4.5-4.5M4 20h16"/>`,
  eye: svg`<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z"/><circle cx="12" cy="12" r="3"/>`,
  eye_off: svg`<path d="M4 4l16 16M9.5 6C14 4.5 19 7 21.5 12c-.7 1.3-1.5 2.4-2.5 3.4M15 17.8C9.5 20 4.5 16.5 2.5 12c.8-1.5 1.8-2.8 3-3.9"/>`,
  file: svg`<path d="M6 3h8l4 4v14H6zM14 3v4h4"/>`,
  help: svg`<circle cx="12" cy="12" r="9"/><path d="M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 16.8v.2"/>`,
  info: svg`<circle cx="12" cy="12" r="9"/><path d="M12 11v5.5M12 7.3v.2"/>`,
  leave: svg`<path d="M3 14.5c0-4 4-6 9-6s9 2 9 6l-.5 2-4-1-.5-2.5c-2.5-1-5.5-1-8 0L7.5 15.5l-4 1z"/>`,
  microphone: svg`<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3"/>`,
  microphone_off: svg`<path d="M4 4l16 16M9 9v2.5a3 3 0 0 0 4.5 2.6M15 11V6a3 3 0 0 0-5.5-1.7M5.5 11.5a6.5 6.5 0 0 0 10 5.5M18.5 11.5a6 6 0 0 1-.6 2.7M12 18v3"/>`,
  network: svg`<path d="M3 9.5a13 13 0 0 1 18 0M6 13a8.5 8.5 0 0 1 12 0M9 16.3a4.3 4.3 0 0 1 6 0M12 19.5v.2"/>`,
  pause: svg`<path d="M8 5v14M16 5v14"/>`,
  pen: svg`<path d="M4 20l1-4.5L16.5 4 20 7.5 8.5 19zM14 6.5l3.5 3.5"/>`,
  person: svg`<circle cx="12" cy="8" r="4"/><path d="M4 20.5c.8-4.5 4-6.5 8-6.5s7.2 2 8 6.5"/>`,
  photo: svg`<path d="M3 8h4l1.5-2.5h7L17 8h4v11H3z"/><circle cx="12" cy="13" r="3.5"/>`,
  play: svg`<path d="M7 4.5l12 7.5-12 7.5z"/>`,
  record: svg`<circle cx="12" cy="12" r="9"/><circle cx="12" cy="12" r="4" fill="currentColor"/>`,
  send: svg`<path d="M4 12l16-8-5 16-3.5-6.5z"/>`,
  shield: svg`<path d="M12 3l8 3v5.5c0 5-3.5 8-8 9.5-4.5-1.5-8-4.5-8-9.5V6z"/><path d="M8.5 12l2.5 2.5 4.5-5"/>`,
  sound: svg`<path d="M4 9.5v5h3.5L13 19V5L7.5 9.5zM16.5 9a4.5 4.5 0 0 1 0 6M19 6.5a8 8 0 0 1 0 11"/>`,
  sound_off: svg`<path d="M4 9.5v5h3.5L13 19V5L7.5 9.5zM16.5 9.5l5 5M21.5 9.5l-5 5"/>`,
  tick: svg`<path d="M4.5 12.5l5 5 10-11"/>`,
  warning: svg`<path d="M12 3.5l9.5 17h-19zM12 10v4.5M12 17.3v.2"/>`,
};

/** @param {keyof typeof SHAPES} name */
export const icon = (name) =>
  html`<svg class="icon" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">${SHAPES[name]}</svg>`;
