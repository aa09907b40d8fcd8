// What the face does at a moment: pure functions of the render's cues and a time in milliseconds.

import { REST_POSE, isContact, mixPose, poseOf } from "./visemes.js";

// Half the width of the smoothing window. 40 ms on either side makes a change last about 80 ms, the duration of
// a lip movement in running speech; shorter looks like a flip-book, longer swallows consonants of 50 ms.
const SMOOTH_MS = 40;
// Lips need about 60 ms to meet and to part; the contact itself fills the whole cue.
const CONTACT_RAMP_MS = 60;
// An eye movement of the size of a glance takes 30 to 50 ms.
const SACCADE_MS = 40;

const clamp01 = (x) => Math.min(1, Math.max(0, x));
const ease = (x) => { const u = clamp01(x); return u * u * (3 - 2 * u); };

/** Cues (a step function) as spans with an end, their pose, and the room that a contact has on either side. */
export function buildSpans(cues, set, durationMs) {
  const spans = cues.map((cue, i) => ({
    start: cue.t_ms,
    end: Math.max(cue.t_ms, cues[i + 1]?.t_ms ?? durationMs),
    viseme: cue.viseme,
    weight: cue.weight,
    pose: poseOf(set, cue.viseme, cue.weight),
    contact: isContact(set, cue.viseme),
  }));
  const room = (neighbour) =>
    (neighbour ? Math.min(CONTACT_RAMP_MS, (neighbour.end - neighbour.start) / 2) : CONTACT_RAMP_MS);
  return spans.map((span, i) => ({ ...span, rampIn: room(spans[i - 1]), rampOut: room(spans[i + 1]) }));
}

/** Index of the last item whose start is at or before t, or -1. Items are sorted by `key`. */
export function indexAt(items, t, key) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle][key] <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export function spanAt(spans, t) {
  const span = spans[indexAt(spans, t, "start")];
  return span && t < span.end ? span : null;
}

/** Integral of a raised cosine from its left end to u; it is 0 at -1 and 1 at 1, with a flat start and end. */
function raisedCosineIntegral(u) {
  const x = Math.min(1, Math.max(-1, u));
  return (1 + x) / 2 + Math.sin(Math.PI * x) / (2 * Math.PI);
}

function spansNear(spans, t, reach) {
  const first = Math.max(0, indexAt(spans, t - reach, "start"));
  let last = first;
  while (last < spans.length && spans[last].start <= t + reach) last += 1;
  return spans.slice(first, last);
}

/** The step function averaged over the smoothing window: neighbours blend, short cues stay incomplete. */
function smoothedPose(spans, t) {
  const total = Object.fromEntries(Object.keys(REST_POSE).map((field) => [field, 0]));
  let covered = 0;
  const add = (pose, share) => {
    covered += share;
    for (const field of Object.keys(total)) total[field] += pose[field] * share;
  };
  for (const span of spansNear(spans, t, SMOOTH_MS)) {
    const share = raisedCosineIntegral((span.end - t) / SMOOTH_MS) - raisedCosineIntegral((span.start - t) / SMOOTH_MS);
    if (share > 0) add(span.pose, share);
  }
  add(REST_POSE, Math.max(0, 1 - covered)); // before the first cue and after the last the mouth is at rest
  return total;
}

/** 1 inside the contact, falling to 0 on either side. */
function grip(span, t) {
  if (t < span.start) return span.rampIn ? ease(1 - (span.start - t) / span.rampIn) : 0;
  if (t < span.end) return 1;
  return span.rampOut ? ease(1 - (t - span.end) / span.rampOut) : 0;
}

/** The mouth at t. Averaging alone would leave a closure of 50 ms half open, so contacts are enforced after it. */
export function poseAt(spans, t) {
  let held = REST_POSE;
  let strength = 0;
  let total = 0;
  for (const span of spansNear(spans, t, CONTACT_RAMP_MS)) {
    const own = span.contact && span.end > span.start ? grip(span, t) : 0;
    if (own === 0) continue;
    // Two contacts in a row (p then f): the fourth power lets the present one rule until just before the change.
    const share = own ** 4;
    total += share;
    held = mixPose(held, span.pose, share / total);
    strength = Math.max(strength, own);
  }
  return mixPose(smoothedPose(spans, t), held, strength);
}

/** Lid closure during a blink, 0 open to 1 shut: lids fall about twice as fast as they rise. */
export function blinkCurve(share) {
  if (share <= 0 || share >= 1) return 0;
  if (share < 0.3) return ease(share / 0.3);
  return share < 0.45 ? 1 : ease((1 - share) / 0.55);
}

export function lidAt(events, t) {
  const closures = events
    .filter((event) => event.event_type === "blink")
    .map((event) => blinkCurve((t - event.t_ms) / event.duration_ms));
  return Math.max(0, ...closures);
}

const DIRECTIONS = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };

/** Where the eyes look, -1..1 on each axis as the viewer sees it: a jump away, a hold, a jump back. */
export function gazeAt(events, t) {
  const glance = { x: 0, y: 0 };
  for (const event of events) {
    const since = t - event.t_ms;
    const left = event.duration_ms - since;
    if (event.event_type !== "saccade" || since < 0 || left < 0) continue;
    const [x, y] = DIRECTIONS[event.direction] ?? [0, 0];
    const jump = Math.max(1, Math.min(SACCADE_MS, event.duration_ms / 2));
    const share = Math.min(ease(since / jump), ease(left / jump));
    glance.x += x * share;
    glance.y += y * share;
  }
  return glance;
}

/** Index of the word that is being spoken at t, or -1 in a pause. */
export function wordAt(words, t) {
  const index = indexAt(words, t, "start_ms");
  return index >= 0 && t < words[index].end_ms ? index : -1;
}

// Brows and head follow the loudness of speech over about a syllable and a half, not each sound.
const EMPHASIS_STEPS_MS = [-200, -120, -40, 40, 120, 200];

/** How open the mouth is on average around t, 0..1: drives small movements of brows and head. */
export function emphasisAt(spans, t) {
  const openness = EMPHASIS_STEPS_MS.map((step) => spanAt(spans, t + step)?.pose.open ?? 0);
  return openness.reduce((sum, value) => sum + value, 0) / openness.length;
}
