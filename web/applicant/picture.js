/**
 * Pictures out of a running video or a chosen file, as JPEG of at most LONGEST_SIDE pixels.
 * Contract: await fromVideo(video, {crop?}) and await fromFile(file) -> Blob. A file that the browser cannot draw (a HEIC
 * on Android, say) is handed on as it is: the server says in a code what is wrong with it.
 */

/** A card across 2400 pixels has 28 of them a millimetre: OCR wants 12 (300 dpi). 0.5 to 1.2 MB as JPEG. */
const LONGEST_SIDE = 2400;
const JPEG_QUALITY = 0.9;

/** @typedef {{x: number, y: number, width: number, height: number}} Area in pixels of the source */

/** @param {CanvasImageSource} source @param {Area} area @returns {Promise<Blob>} */
function drawn(source, area) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(area.width, area.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(area.width * scale));
  canvas.height = Math.max(1, Math.round(area.height * scale));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, area.x, area.y, area.width, area.height, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error("the browser made no JPEG"))),
      "image/jpeg",
      JPEG_QUALITY,
    ),
  );
}

/** @param {HTMLVideoElement} video @param {{crop?: Area}} [options] */
export function fromVideo(video, { crop } = {}) {
  return drawn(video, crop ?? { x: 0, y: 0, width: video.videoWidth, height: video.videoHeight });
}

/** @param {File} file @returns {Promise<Blob>} upright, as the camera's note in the file (EXIF) says */
export async function fromFile(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return file;
  }
  try {
    const small = Math.max(bitmap.width, bitmap.height) <= LONGEST_SIDE;
    if (small && /^image\/(jpeg|png|webp)$/.test(file.type)) return file; // as it is: nothing is won by coding it again
    return await drawn(bitmap, { x: 0, y: 0, width: bitmap.width, height: bitmap.height });
  } finally {
    bitmap.close();
  }
}
