/**
 * Two soft tones when a citizen comes, for a consultant who looks elsewhere.
 * Contract: chime(); chimeEnabled(); enableChime(false). A page that was never touched may not sound: it stays silent.
 */
const REMEMBERED_AS = "betpe.operator.chime";
const TONES_HZ = [523.25, 659.25]; // C5, E5
const TONE_SECONDS = 0.35;
const LOUDNESS = 0.12;

export function chimeEnabled() {
  try {
    return localStorage.getItem(REMEMBERED_AS) !== "off";
  } catch {
    return true; // storage is switched off: nothing is remembered
  }
}

/** @param {boolean} on */
export function enableChime(on) {
  try {
    localStorage.setItem(REMEMBERED_AS, on ? "on" : "off");
  } catch {
    // as above
  }
}

export function chime() {
  if (!chimeEnabled() || !navigator.userActivation?.hasBeenActive) return;
  const context = new AudioContext();
  TONES_HZ.forEach((hertz, index) => {
    const begin = context.currentTime + index * TONE_SECONDS * 0.6;
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0, begin);
    volume.gain.linearRampToValueAtTime(LOUDNESS, begin + 0.03);
    volume.gain.exponentialRampToValueAtTime(0.001, begin + TONE_SECONDS);
    tone.connect(volume).connect(context.destination);
    tone.start(begin);
    tone.stop(begin + TONE_SECONDS);
    if (index === TONES_HZ.length - 1) tone.onended = () => void context.close();
  });
}
