/**
 * A stream in a video element, for templates: ownVideo(stream) mirrors the operator's own picture, without sound;
 * streamOf(element, stream) gives a video element its stream once.
 */
import { t } from "../shared/i18n.js";
import { html, ref } from "../shared/lit.js";

/** @param {HTMLVideoElement} element @param {MediaStream | null} stream */
export function streamOf(element, stream) {
  if (element.srcObject === stream) return;
  element.srcObject = stream;
}

/** @param {MediaStream | null} stream */
export const ownVideo = (stream) => html`
  <video
    class="self"
    autoplay
    muted
    playsinline
    .muted=${true}
    aria-label=${t("case.self")}
    data-testid="call-self"
    ${ref((element) => element instanceof HTMLVideoElement && streamOf(element, stream))}
  ></video>
`;
