/** Pictures with sound, where a browser plays no sound before the page was touched: the picture runs all the same. */

/**
 * @param {HTMLVideoElement} video
 * @returns {Promise<boolean | null>} true: it plays; false: without sound, until a touch; null: another stream took its place
 */
export async function play(video) {
  try {
    await video.play();
    return true;
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return null;
    video.muted = true;
    await video.play().catch(() => undefined);
    return false;
  }
}

/**
 * Show a stream, with its sound where that may be.
 * @param {HTMLVideoElement} video @param {MediaStream | null} stream
 * @returns {Promise<boolean>} false where a touch is needed for the sound
 */
export async function show(video, stream) {
  if (video.srcObject !== stream) video.srcObject = stream;
  if (!stream) return true;
  video.muted = false;
  return (await play(video)) !== false;
}
