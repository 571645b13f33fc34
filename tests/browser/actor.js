/**
 * The camera of a person of the test: pictures given by the test (actor.py), chosen by what the page asks for.
 *
 * Put into the page before its own scripts; only getUserMedia is replaced, all else is the product's. The person sees
 * the screen and nothing else: the request as it is written there, the digit that is there, the colour that it has.
 */
(() => {
  const RATE = 20; // pictures a second
  const [WIDTH, HEIGHT] = [480, 360]; // enough for every check; the same machine encodes, carries and judges it
  const SOURCE = 30; // of the recorded acts
  const NEARING = 12; // of the computed one
  const ON_PURPOSE = 18; // of a recorded blink or open mouth: who is asked for it does it more slowly than by nature
  const between = (low, high) => low + Math.random() * (high - low);

  /** @type {Promise<{sequences: Record<string, Blob[]>, follows: boolean}> | undefined} */
  let reel;
  const loadReel = async () => {
    const { follows, sequences } = await (await fetch("/test-reel/index.json")).json();
    const bytes = await (await fetch("/test-reel/pictures")).arrayBuffer();
    const pictures = {};
    for (const [name, places] of Object.entries(sequences)) {
      pictures[name] = places.map(([from, to]) => new Blob([bytes.slice(from, to)], { type: "image/jpeg" }));
    }
    return { follows, sequences: pictures };
  };

  /** Which picture is shown at a moment (seconds). */
  class Person {
    constructor({ sequences, follows }) {
      this.sequences = sequences;
      this.follows = follows;
      this.request = "";
      /** What is under way: {frames, from, rate}. */
      this.acts = [];
      this.digit = "";
    }

    variants(name) {
      return Object.keys(this.sequences).filter((one) => one === name || one.startsWith(`${name}:`));
    }

    /** Queue an act to begin at a moment; gives the moment of its end. */
    act(name, from, rate = SOURCE) {
      const variants = this.variants(name);
      if (variants.length === 0) return from;
      const frames = this.sequences[variants[Math.floor(Math.random() * variants.length)]];
      this.acts.push({ frames, from, rate });
      return from + frames.length / rate;
    }

    hear(now) {
      const prompt = document.querySelector('[data-testid="challenge-prompt"]');
      const request = prompt ? `${prompt.dataset.number} ${prompt.dataset.kind}` : "";
      if (request !== this.request) {
        this.request = request;
        this.acts = [];
        this.digit = "";
        if (prompt) this.begin(prompt.dataset.kind, Number(prompt.dataset.times) || 1, now + between(0.4, 0.8));
      }
      const digit = prompt?.querySelector("[data-place]");
      if (!digit || digit.dataset.place === this.digit) return;
      this.digit = digit.dataset.place;
      if (/\d/.test(digit.textContent)) this.act("talk", now + between(0.3, 0.4));
    }

    begin(kind, times, at) {
      if (kind === "come_closer") this.act("come_closer", at, NEARING);
      else if (kind === "blink") for (let i = 0; i < times; i += 1) at = this.act("blink", at, ON_PURPOSE) + between(0.25, 0.45);
      else this.act(kind, at, kind === "open_mouth" ? ON_PURPOSE : SOURCE);
    }

    /** The name of the rest in the light that the screen gives just now. */
    rest() {
      const lit = document.querySelector(".challenge--lit");
      const colour = lit ? getComputedStyle(lit).backgroundColor : "";
      return this.sequences[`rest ${colour}`] ?? this.sequences.rest;
    }

    picture(now) {
      if (!this.follows) return this.sequences.rest[Math.floor(now * RATE) % this.sequences.rest.length];
      this.hear(now);
      for (const { frames, from, rate } of this.acts) {
        const place = Math.floor((now - from) * rate);
        if (place >= 0 && place < frames.length) return frames[place];
      }
      const rest = this.rest();
      const place = Math.floor((now * SOURCE) / 4) % (2 * rest.length); // to and fro
      return rest[Math.min(place, 2 * rest.length - 1 - place)];
    }
  }

  async function film() {
    reel ??= loadReel();
    const person = new Person(await reel);
    const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
    const context = canvas.getContext("2d");
    let busy = false;
    const timer = setInterval(async () => {
      if (busy) return;
      busy = true;
      try {
        const bitmap = await createImageBitmap(person.picture(performance.now() / 1000));
        context.drawImage(bitmap, 0, 0, WIDTH, HEIGHT);
        bitmap.close();
      } finally {
        busy = false;
      }
    }, 1000 / RATE);
    const stream = canvas.captureStream(RATE);
    const [track] = stream.getVideoTracks();
    const stop = track.stop.bind(track);
    track.stop = () => {
      clearInterval(timer);
      stop();
    };
    return stream;
  }

  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async ({ video, audio }) => {
    const stream = video ? await film() : new MediaStream();
    if (audio) for (const track of (await real({ audio })).getAudioTracks()) stream.addTrack(track);
    return stream;
  };
})();
