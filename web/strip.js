// Painting of the timeline: viseme blocks, words, eye marks, the overview of long speech, the playhead.
// A view says what part of time is shown: {scale (pixels per ms), offset (pixels), width, height, colour(name)}.

import { familyOf } from "./visemes.js";

const ROWS = { eyes: 16, cues: 54, words: 22, overview: 8, gap: 6 };
const CUES_TOP = ROWS.eyes + ROWS.gap;
const WORDS_TOP = CUES_TOP + ROWS.cues + ROWS.gap;
const SMALL = "600 11px system-ui, sans-serif";
const ARROWS = { left: "←", right: "→", up: "↑", down: "↓" };

export const overviewTop = (view) => view.height - ROWS.overview;

const isVisible = (view, startMs, endMs) =>
  endMs * view.scale >= view.offset && startMs * view.scale <= view.offset + view.width;

function paintCue(ctx, span, colours) {
  ctx.fillStyle = colours.family;
  ctx.beginPath();
  ctx.roundRect(span.x, CUES_TOP, span.width, ROWS.cues, Math.min(4, span.width / 2));
  ctx.fill();
  ctx.fillStyle = "rgba(20,16,24,0.28)"; // the weight, as a bar along the foot
  ctx.fillRect(span.x, CUES_TOP + ROWS.cues - 4, span.width * Math.min(1, span.weight), 4);
  const label = String(span.viseme);
  if (ctx.measureText(label).width > span.width - 2) return;
  ctx.fillStyle = colours.label;
  ctx.fillText(label, span.x + span.width / 2, CUES_TOP + ROWS.cues / 2);
}

function paintCues(ctx, view, track) {
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.font = SMALL;
  const colours = new Map();
  for (const span of track.spans) {
    if (!isVisible(view, span.start, span.end)) continue;
    const family = familyOf(track.set, span.viseme);
    if (!colours.has(family)) {
      const label = view.colour(family === "rest" ? "text-soft" : "viseme-text");
      colours.set(family, { family: view.colour(`viseme-${family}`), label });
    }
    const width = Math.max(1, (span.end - span.start) * view.scale - 1); // one pixel apart, to count them
    paintCue(ctx, { ...span, x: span.start * view.scale, width }, colours.get(family));
  }
}

function paintEyes(ctx, view, track) {
  ctx.font = SMALL;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  for (const event of track.events) {
    if (!isVisible(view, event.t_ms, event.t_ms + event.duration_ms)) continue;
    const blink = event.event_type === "blink";
    const x = event.t_ms * view.scale;
    const width = Math.max(4, event.duration_ms * view.scale);
    ctx.fillStyle = view.colour(blink ? "mark-blink" : "mark-saccade");
    ctx.fillRect(x, ROWS.eyes, width, 3);
    ctx.fillText(blink ? "◡" : ARROWS[event.direction] ?? "•", x + width / 2, ROWS.eyes / 2);
  }
}

function paintWord(ctx, view, word) {
  const x = word.start_ms * view.scale;
  ctx.fillStyle = view.colour("line");
  ctx.fillRect(x, WORDS_TOP, 1, ROWS.words);
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, WORDS_TOP, (word.end_ms - word.start_ms) * view.scale, ROWS.words);
  ctx.clip(); // a long word in a short time is cut, not written over its neighbour
  ctx.fillStyle = view.colour("text");
  ctx.fillText(word.text, x + 4, WORDS_TOP + ROWS.words / 2);
  ctx.restore();
}

function paintWords(ctx, view, track) {
  ctx.font = "13px system-ui, sans-serif";
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  for (const word of track.words) if (isVisible(view, word.start_ms, word.end_ms)) paintWord(ctx, view, word);
}

function paintOverview(ctx, view, totalPx) {
  ctx.fillStyle = view.colour("line");
  ctx.fillRect(0, overviewTop(view), view.width, ROWS.overview);
  ctx.fillStyle = view.colour("text-soft");
  const shown = Math.max(8, (view.width / totalPx) * view.width);
  ctx.fillRect((view.offset / totalPx) * view.width, overviewTop(view), shown, ROWS.overview);
}

export function paintStrip(ctx, view, track) {
  ctx.clearRect(0, 0, view.width, view.height);
  ctx.save();
  ctx.translate(-view.offset, 0);
  paintEyes(ctx, view, track);
  paintCues(ctx, view, track);
  paintWords(ctx, view, track);
  ctx.restore();
  if (view.scrolls) paintOverview(ctx, view, track.durationMs * view.scale);
}

export function paintPlayhead(ctx, view, tMs) {
  const x = Math.min(view.width - 4, Math.max(4, tMs * view.scale - view.offset)); // the knob stays whole at the ends
  ctx.fillStyle = view.colour("accent");
  ctx.fillRect(x - 1, 0, 2, WORDS_TOP + ROWS.words);
  ctx.beginPath();
  ctx.arc(x, 4, 4, 0, Math.PI * 2);
  ctx.fill();
}
