// The cues as a picture that is also a slider: click, drag or press keys to move in time.

import { overviewTop, paintPlayhead, paintStrip } from "./strip.js";

// CSS pixels per millisecond. With less, a cue of 60 ms has no room for its label, so longer speech scrolls.
const MIN_SCALE = 0.3;
// A tenth of a second is about one cue; the big step is about half a sentence.
const STEP_MS = { ArrowLeft: -100, ArrowDown: -100, ArrowRight: 100, ArrowUp: 100, PageDown: -2000, PageUp: 2000 };
// The view turns its page when the playhead leaves this part of it.
const COMFORT = [0.02, 0.9];
const PAGE_START = 0.08;

export class Timeline {
  #canvas;
  #ctx;
  #onSeek;
  #track = null;
  #offset = 0;
  #strip = document.createElement("canvas"); // painted once per page, so that a frame only copies it
  #stale = true;
  #shown = 0;

  /** onSeek(ms): the user chose a moment. */
  constructor(canvas, onSeek) {
    this.#canvas = canvas;
    this.#ctx = canvas.getContext("2d");
    this.#onSeek = onSeek;
    canvas.addEventListener("pointerdown", (event) => this.#point(event));
    canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) this.#point(event); });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#fit());
  }

  /** track: spans, events, set (as the stage has them), words, durationMs. */
  show(track) {
    this.#track = track;
    this.#offset = 0;
    this.#shown = 0;
    this.#canvas.setAttribute("aria-valuemax", String(track.durationMs));
    this.#fit();
  }

  update(tMs) {
    if (tMs !== this.#shown) this.#draw(tMs);
  }

  get #view() {
    const width = this.#canvas.clientWidth;
    const scale = Math.max(width / this.#track.durationMs, MIN_SCALE);
    const style = getComputedStyle(this.#canvas);
    return {
      width, scale, height: this.#canvas.clientHeight, offset: this.#offset,
      scrolls: this.#track.durationMs * scale > width + 1,
      colour: (name) => style.getPropertyValue(`--${name}`).trim(),
    };
  }

  #draw(tMs) {
    if (!this.#track || this.#canvas.width === 0) return;
    this.#shown = tMs;
    this.#follow(tMs);
    const view = this.#view;
    if (this.#stale) paintStrip(this.#scaled(this.#strip.getContext("2d"), view), view, this.#track);
    this.#stale = false;
    const ctx = this.#ctx;
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    ctx.drawImage(this.#strip, 0, 0);
    paintPlayhead(this.#scaled(ctx, view), view, tMs);
    this.#announce(tMs);
  }

  #scaled(ctx, view) {
    const ratio = this.#canvas.width / view.width;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    return ctx;
  }

  #announce(tMs) {
    const text = `${(tMs / 1000).toFixed(1)} of ${(this.#track.durationMs / 1000).toFixed(1)} seconds`;
    if (this.#canvas.getAttribute("aria-valuetext") === text) return; // ten changes a second are enough
    this.#canvas.setAttribute("aria-valuenow", String(Math.round(tMs)));
    this.#canvas.setAttribute("aria-valuetext", text);
  }

  #follow(tMs) {
    const { scale, width } = this.#view;
    const x = tMs * scale - this.#offset;
    if (x >= width * COMFORT[0] && x <= width * COMFORT[1]) return;
    const furthest = Math.max(0, this.#track.durationMs * scale - width);
    const wanted = Math.min(furthest, Math.max(0, tMs * scale - width * PAGE_START));
    if (Math.abs(wanted - this.#offset) < 1) return;
    this.#offset = wanted;
    this.#stale = true;
  }

  #fit() {
    const ratio = devicePixelRatio || 1;
    this.#canvas.width = this.#strip.width = Math.round(this.#canvas.clientWidth * ratio);
    this.#canvas.height = this.#strip.height = Math.round(this.#canvas.clientHeight * ratio);
    this.#stale = true;
    this.#draw(this.#shown);
  }

  #seek(ms) { this.#onSeek(Math.min(this.#track.durationMs, Math.max(0, ms))); }

  #point(event) {
    if (!this.#track) return;
    const box = this.#canvas.getBoundingClientRect();
    const view = this.#view;
    const x = event.clientX - box.left;
    const inOverview = view.scrolls && event.clientY - box.top >= overviewTop(view);
    this.#seek(inOverview ? (x / view.width) * this.#track.durationMs : (x + view.offset) / view.scale);
  }

  #key(event) {
    if (!this.#track) return;
    const ends = { Home: 0, End: this.#track.durationMs };
    const target = ends[event.key] ?? (event.key in STEP_MS ? this.#shown + STEP_MS[event.key] : null);
    if (target === null) return;
    event.preventDefault();
    this.#seek(target);
  }
}
