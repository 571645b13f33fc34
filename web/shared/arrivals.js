/**
 * Whether anything still arrives over a peer connection: a media process that hangs, a network that is gone and a
 * picture that stands still look alike to a person, and the browser itself says so only after many seconds.
 *
 * Contract
 *   const end = watchArrivals(peer, {patience: () => 1200, doubt, silent, pictureDue: () => true, frozen, besides});  end();
 *   besides()  a second connection whose media counts too, or null
 *   doubt()    nothing at all came for half the patience: see whether the server can be reached
 *   silent()   nothing at all came for the whole of it: neither media, nor reports of what was sent, nor ICE
 *   frozen()   the server is there, but nothing of the other end came for FROZEN_MS although pictureDue() says it should
 * doubt and frozen are called once until something comes again; after silent the watch has ended.
 */

/** A look costs a few milliseconds. */
const LOOK_MS = 400;
/** The server itself calls an end silent after 3 s; what lasts longer is not the other end's own pause. */
export const FROZEN_MS = 4_000;

/** @param {RTCStatsReport} report */
function counted(report) {
  let everything = 0;
  let media = 0;
  for (const item of report.values()) {
    if (item.type === "candidate-pair") {
      everything += (item.bytesReceived ?? 0) + (item.responsesReceived ?? 0) + (item.requestsReceived ?? 0);
    } else if (item.type === "transport") everything += item.bytesReceived ?? 0;
    else if (item.type === "inbound-rtp") media += item.bytesReceived ?? 0;
  }
  return { everything, media };
}

/**
 * @param {RTCPeerConnection} peer
 * @param {{patience: () => number, doubt: () => void, silent: () => void, pictureDue: () => boolean, frozen: () => void,
 *   besides?: () => RTCPeerConnection | null}} how
 * @returns {() => void} ends the watch
 */
export function watchArrivals(peer, { patience, doubt, silent, pictureDue, frozen, besides = () => null }) {
  const began = performance.now();
  let last = { everything: -1, media: -1 };
  let heard = began;
  let pictured = began;
  let doubted = false;
  let stood = false;
  let looking = false;
  let ended = false;
  const end = () => {
    ended = true;
    clearInterval(timer);
  };
  const judge = () => {
    const now = performance.now();
    if (now - heard >= patience()) {
      end();
      silent();
    } else if (!doubted && now - heard >= patience() / 2) {
      doubted = true;
      doubt();
    } else if (!stood && now - pictured >= FROZEN_MS) {
      stood = true;
      frozen();
    }
  };
  const look = async () => {
    if (looking) return;
    looking = true;
    const found = counted(await peer.getStats());
    const second = await besides()?.getStats();
    if (second) found.media += counted(second).media;
    looking = false;
    if (ended) return;
    if (found.everything !== last.everything) {
      heard = performance.now();
      doubted = false;
    }
    if (found.media !== last.media || !pictureDue()) {
      pictured = performance.now();
      stood = false;
    }
    last = found;
    judge();
  };
  const timer = setInterval(look, LOOK_MS);
  return end;
}
