// The one clock of the page: where in the speech we are, in milliseconds of audio.

// Browsers refresh audio.currentTime only every 5 to 50 ms; between refreshes the monotonic clock carries on.
// An element that has not moved for this long has stalled (empty buffer), so the mouth must not run ahead of it.
const STALL_MS = 250;
// A refresh that disagrees by less is jitter and is smoothed; by more, playback really jumped.
const JUMP_MS = 80;

/** Turns a clock that moves in steps into a smooth one that never runs backwards while playing. */
export class SteadyClock {
  #coarse = -1;
  #anchorMs = 0;
  #anchoredAt = 0;
  #last = 0;

  reset(ms) {
    this.#coarse = -1;
    this.#last = ms;
  }

  /** coarseMs: what the audio element says; nowMs: a monotonic time; rate: playback rate, 0 when not playing. */
  read(coarseMs, nowMs, rate) {
    if (rate === 0) {
      this.reset(coarseMs);
      return coarseMs;
    }
    if (coarseMs !== this.#coarse) {
      this.#coarse = coarseMs;
      this.#anchorMs = coarseMs;
      this.#anchoredAt = nowMs;
    }
    const guess = this.#anchorMs + Math.min(nowMs - this.#anchoredAt, STALL_MS) * rate;
    this.#last = Math.abs(guess - this.#last) > JUMP_MS ? guess : Math.max(guess, this.#last);
    return this.#last;
  }
}

/** Plays one render. Fires "change" whenever it starts, stops, moves or ends. */
export class Player extends EventTarget {
  #audio = new Audio();
  #clock = new SteadyClock();
  #render = null;
  #held = null;

  constructor() {
    super();
    this.#audio.preload = "auto";
    for (const name of ["playing", "pause", "ended", "seeked", "waiting", "emptied"]) {
      this.#audio.addEventListener(name, () => this.dispatchEvent(new Event("change")));
    }
    this.#audio.addEventListener("error", () => this.dispatchEvent(new Event("failure")));
  }

  get render() { return this.#render; }
  get playing() { return !this.#audio.paused && !this.#audio.ended; }
  get held() { return this.#held !== null; }
  get ended() { return this.#audio.ended; }
  get durationMs() { return this.#render?.duration_ms ?? 0; }

  /** Milliseconds of audio that have been heard. The media element already accounts for the output's delay. */
  get positionMs() {
    if (this.#held !== null) return this.#held;
    const moving = this.playing && !this.#audio.seeking
      && this.#audio.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;
    const rate = moving ? this.#audio.playbackRate : 0;
    const ms = this.#clock.read(this.#audio.currentTime * 1000, performance.now(), rate);
    return Math.min(ms, this.durationMs);
  }

  load(render) {
    this.stop();
    this.#render = render;
    this.#held = null;
    this.#clock.reset(0);
    this.#audio.src = playableUrl(this.#audio, render.audio_url);
  }

  async play() {
    if (!this.#render) return;
    const from = this.#held;
    this.#held = null;
    if (from !== null && from >= this.durationMs) this.#audio.currentTime = 0;
    await this.#audio.play();
  }

  pause() {
    if (this.playing) this.hold(this.positionMs);
  }

  /** Freezes at t: the audio pauses and everything shows exactly this moment until play(). */
  hold(ms) {
    this.#moveTo(ms);
    this.#held = this.#clamp(ms);
    this.#audio.pause();
    this.dispatchEvent(new Event("change"));
  }

  /** Moves to t and keeps playing if it was. */
  seek(ms) {
    if (!this.playing) return this.hold(ms);
    this.#moveTo(ms);
    return this.dispatchEvent(new Event("change"));
  }

  stop() {
    this.#audio.pause();
    this.#held = null;
    this.#moveTo(0);
    this.dispatchEvent(new Event("change"));
  }

  #clamp(ms) { return Math.min(this.durationMs, Math.max(0, ms)); }

  #moveTo(ms) {
    if (!this.#render) return;
    this.#audio.currentTime = this.#clamp(ms) / 1000;
    this.#clock.reset(this.#clamp(ms));
  }
}

export const wavUrl = (audioUrl) => audioUrl.replace(/\.ogg$/, ".wav");

/** Older Safari cannot play Opus in OGG; the server has the same sound as WAV. */
function playableUrl(audio, audioUrl) {
  return audio.canPlayType('audio/ogg; codecs="opus"') ? audioUrl : wavUrl(audioUrl);
}
