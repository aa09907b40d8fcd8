// The one clock of the page: where in the speech we are, in milliseconds of audio.

// Browsers refresh audio.currentTime only every 5 to 50 ms; between refreshes the monotonic clock carries on.
// An element that has not moved for this long has stalled (empty buffer), so the mouth must not run ahead of it.
const STALL_MS = 250;
// A refresh that disagrees by less is jitter and is smoothed; by more, playback really jumped.
const JUMP_MS = 80;
// An element that was sent to a time says nearly that: its ticks are fractions of a millisecond.
const NEAR_MS = 1;

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

/** Plays one render: its sound, or its video. Fires "change" whenever it starts, stops, moves or ends. */
export class Player extends EventTarget {
  #audio = new Audio();
  #video;
  #media = this.#audio; // which of the two
  #clock = new SteadyClock();
  #render = null;
  #held = null;
  #resting = true; // at its beginning, and not held there
  #later = null; // address of what takes the place of what is playing once that rests

  /** video: the element that shows videos. Its own controls move everything else as well. */
  constructor(video) {
    super();
    this.#video = video;
    this.#audio.preload = "auto";
    for (const media of [this.#audio, video]) {
      for (const name of ["play", "playing", "pause", "ended", "seeking", "seeked", "waiting", "emptied"]) {
        media.addEventListener(name, () => { if (media === this.#media) this.#hear(); });
      }
      media.addEventListener("error", () => { if (media === this.#media) this.#fail(); });
    }
  }

  get render() { return this.#render; }
  get playing() { return !this.#media.paused && !this.#media.ended; }
  get held() { return this.#held !== null; }
  get ended() { return this.#media.ended; }
  get durationMs() { return this.#render?.duration_ms ?? 0; }

  /** Milliseconds of audio that have been heard. The media element already accounts for the output's delay. */
  get positionMs() {
    if (this.#held !== null) return this.#held;
    const moving = this.playing && !this.#media.seeking
      && this.#media.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;
    const rate = moving ? this.#media.playbackRate : 0;
    const ms = this.#clock.read(this.#media.currentTime * 1000, performance.now(), rate);
    return Math.min(ms, this.durationMs);
  }

  load(render) {
    this.#begin(render, this.#audio);
    this.#audio.src = playableUrl(this.#audio, render.audio_url);
  }

  /** url: the finished video. running: the element plays it already, as it came; the file takes over at its next rest. */
  loadVideo(render, url, running) {
    this.#begin(render, this.#video, running);
    if (running) this.#later = url;
    else this.#video.src = url;
  }

  /** Nothing is there to be played. */
  unload() {
    this.#begin(null, this.#audio);
    this.#audio.removeAttribute("src");
    this.dispatchEvent(new Event("change"));
  }

  #begin(render, media, running = false) {
    if (!running) this.stop();
    this.#media = media;
    this.#render = render;
    this.#held = this.#later = null;
    this.#resting = !running;
    this.#clock.reset(0);
  }

  async play() {
    if (!this.#render) return;
    const from = this.#held;
    this.#held = null;
    if (from !== null && from >= this.durationMs) this.#media.currentTime = 0;
    await this.#media.play();
  }

  pause() {
    if (this.playing) this.hold(this.positionMs);
  }

  /** Freezes at t: the sound pauses and everything shows exactly this moment until play(). */
  hold(ms) {
    this.#moveTo(ms);
    this.#held = this.#clamp(ms);
    this.#media.pause();
    this.dispatchEvent(new Event("change"));
  }

  /** Moves to t and keeps playing if it was. */
  seek(ms) {
    if (!this.playing) return this.hold(ms);
    this.#moveTo(ms);
    return this.dispatchEvent(new Event("change"));
  }

  stop() {
    this.#media.pause();
    this.#held = null;
    this.#resting = true;
    this.#moveTo(0);
    this.dispatchEvent(new Event("change"));
  }

  #hear() {
    this.#obey();
    this.dispatchEvent(new Event("change"));
    if (this.#later === null) return;
    if (this.#media.seeking) this.#moveTo(this.#media.currentTime * 1000);
    else if (!this.playing) this.#rest();
  }

  #rest() {
    this.#resting = this.#held === null;
    this.#moveTo(this.#held ?? 0);
  }

  /** What the video's own controls, or the keys of a headset, have done: paused means held there. */
  #obey() {
    const { paused, ended, currentTime, readyState } = this.#media;
    if (!this.#render || ended || readyState === HTMLMediaElement.HAVE_NOTHING) return;
    if (!paused) {
      this.#held = null;
      this.#resting = false;
    } else if (currentTime > 0 || !this.#resting) {
      const ms = this.#clamp(currentTime * 1000);
      if (this.#held === null || Math.abs(this.#held - ms) > NEAR_MS) this.#held = ms;
      this.#resting = false;
    }
  }

  /** A stream that broke off goes on as its file. */
  #fail() {
    if (this.#later === null) this.dispatchEvent(new Event("failure"));
    else this.#moveTo(this.#media.currentTime * 1000);
  }

  #clamp(ms) { return Math.min(this.durationMs, Math.max(0, ms)); }

  #moveTo(ms) {
    if (!this.#render) return;
    if (this.#later !== null) this.#settle();
    this.#media.currentTime = this.#clamp(ms) / 1000;
    this.#clock.reset(this.#clamp(ms));
  }

  /** The finished file takes the place of the stream, in which nobody can move. */
  #settle() {
    const { playing } = this; // a new address stops it
    this.#media.src = this.#later;
    this.#later = null;
    if (playing) this.#media.play().catch(() => {}); // only what was stopped meanwhile fails
  }
}

export const wavUrl = (audioUrl) => audioUrl.replace(/\.ogg$/, ".wav");

/** Older Safari cannot play Opus in OGG; the server has the same sound as WAV. */
function playableUrl(audio, audioUrl) {
  return audio.canPlayType('audio/ogg; codecs="opus"') ? audioUrl : wavUrl(audioUrl);
}
