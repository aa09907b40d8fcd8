// Records the microphone, and says how loud it is meanwhile.

// The first that the browser can write and the server reads: Opus where there is, AAC in Safari.
const TYPES = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
const LONGEST_MS = 30 * 60 * 1000;
const FLOOR_DB = -60; // what the meter shows as nothing

const REASONS = {
  NotAllowedError: ["The microphone may not be used.", "Allow it for this page in the browser's address bar, then try again."],
  NotFoundError: ["There is no microphone.", "Connect one, or choose a file."],
  NotReadableError: ["The microphone is in use by another program.", "Close that program, then try again."],
};

function failure(error) {
  const [message, hint] = REASONS[error.name] ?? ["The microphone cannot be used.", "Choose a file instead."];
  return Object.assign(new Error(message), { hint });
}

export class Microphone {
  #recorder = null;
  #context = null;
  #timer = null;

  /** False on a page without https: browsers have no microphone there. */
  static get available() { return Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder); }

  get recording() { return this.#recorder !== null; }

  /** Resolves once it records. onLevel hears 0-1 at every frame; a long recording ends by itself, as with stop(). */
  async start(onLevel, onEnd) {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } }).catch((error) => {
      throw failure(error);
    });
    const type = TYPES.find((each) => MediaRecorder.isTypeSupported(each));
    const recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
    const parts = [];
    recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
    recorder.addEventListener("stop", () => {
      for (const track of stream.getTracks()) track.stop(); // the browser shows that nobody listens any more
      this.#forget();
      onEnd(new Blob(parts, { type: recorder.mimeType }));
    });
    this.#recorder = recorder;
    this.#timer = setTimeout(() => this.stop(), LONGEST_MS);
    recorder.start(1000); // in parts of a second, so that a tab that crashes would have lost no more
    this.#measure(stream, onLevel);
  }

  stop() { if (this.#recorder?.state === "recording") this.#recorder.stop(); }

  #measure(stream, onLevel) {
    const context = new AudioContext();
    this.#context = context;
    const meter = new AnalyserNode(context, { fftSize: 1024 });
    context.createMediaStreamSource(stream).connect(meter);
    const samples = new Float32Array(meter.fftSize);
    const look = () => {
      if (this.#context !== context) return;
      meter.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
      onLevel(Math.max(0, 1 - (10 * Math.log10(power + 1e-12)) / FLOOR_DB));
      requestAnimationFrame(look);
    };
    look();
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#context?.close();
    this.#context = this.#recorder = null;
  }
}
