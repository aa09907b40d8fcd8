// The loop that shows the present moment: asks the player for the time, the cues for the face, a renderer for pixels.

import { buildSpans, emphasisAt, gazeAt, lidAt, poseAt, spanAt } from "./cues.js";
import { IdleEyes, STILL, bodyAt } from "./life.js";
import { REST_POSE } from "./visemes.js";

// Beyond two device pixels per CSS pixel nobody sees a difference, but the canvas takes more than twice the time.
const MAX_PIXEL_RATIO = 2;

export class Stage {
  #canvas;
  #player;
  #renderer;
  #idleEyes = new IdleEyes();
  #reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  #track = { spans: [], events: [], set: "oculus" };
  #frame = null;
  #stale = true;
  #skip = false;
  #listeners = [];

  constructor(canvas, player, renderer) {
    this.#canvas = canvas;
    this.#player = player;
    this.#renderer = renderer;
    player.addEventListener("change", () => { this.#stale = true; });
    new ResizeObserver(() => this.#fit()).observe(canvas);
    this.#fit();
    requestAnimationFrame((now) => this.#loop(now));
  }

  get frame() { return this.#frame; }
  get track() { return this.#track; }
  get renderer() { return this.#renderer; }

  setRenderer(renderer) {
    this.#renderer = renderer;
    this.#stale = true;
  }

  setTrack(render, set) {
    this.#track = { spans: buildSpans(render.mouth_cues, set, render.duration_ms), events: render.eye_events, set };
    this.#stale = true;
  }

  /** Calls `listener(tMs)` after every drawn frame. */
  onFrame(listener) { this.#listeners.push(listener); }

  /** Draws the present moment at once. */
  drawNow(now = performance.now()) {
    const t = this.#player.positionMs;
    this.#frame = this.#player.playing || this.#player.held ? this.#speaking(t, now) : this.#idle(now);
    this.#renderer.draw(this.#frame);
    this.#stale = false;
    for (const listener of this.#listeners) listener(t);
  }

  #speaking(t, now) {
    const { spans, events, set } = this.#track;
    const span = spanAt(spans, t);
    const emphasis = emphasisAt(spans, t);
    const still = this.#player.held || this.#reducedMotion.matches;
    return {
      t, set,
      viseme: span?.viseme ?? null,
      weight: span?.weight ?? 1,
      pose: poseAt(spans, t),
      lid: lidAt(events, t),
      gaze: gazeAt(events, t),
      emphasis: this.#reducedMotion.matches ? 0 : emphasis,
      brow: emphasis * 0.7,
      life: still ? STILL : bodyAt(now),
    };
  }

  #idle(now) {
    const still = this.#reducedMotion.matches;
    const eyes = still ? { lid: 0, gaze: { x: 0, y: 0 } } : this.#idleEyes.at(now);
    return {
      t: this.#player.positionMs, set: this.#track.set, viseme: null, weight: 1, pose: REST_POSE,
      ...eyes, emphasis: 0, brow: 0, life: still ? STILL : bodyAt(now),
    };
  }

  #loop(now) {
    requestAnimationFrame((next) => this.#loop(next));
    const moving = this.#player.playing || !(this.#player.held || this.#reducedMotion.matches);
    this.#skip = !this.#skip && !this.#player.playing; // idle life is slow: half the frames save half the battery
    if (this.#stale || (moving && !this.#skip)) this.drawNow(now);
  }

  #fit() {
    const ratio = Math.min(MAX_PIXEL_RATIO, devicePixelRatio || 1);
    const width = Math.round(this.#canvas.clientWidth * ratio);
    const height = Math.round(this.#canvas.clientHeight * ratio);
    if (width === 0 || height === 0) return;
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.drawNow(); // resizing clears a canvas; waiting for the next frame would flicker
  }
}
