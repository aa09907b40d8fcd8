// What a face does without words: breathing, a slow sway of the head, blinks and small glances.

import { blinkCurve, gazeAt } from "./cues.js";

/** No movement at all: for a held moment and for users who ask for reduced motion. */
export const STILL = Object.freeze({ swayX: 0, swayY: 0, tilt: 0, yaw: 0, breath: 0 });

const BREATH_S = 4.2; // about 14 breaths a minute, a calm adult
const BLINK_MS = 170;
// People at rest blink every 2 to 6 seconds; a fixed interval looks mechanical.
const BLINK_GAP_MS = [2200, 6000];
const GLANCE_GAP_MS = [3500, 9000];
const GLANCE_MS = [500, 1400];
const GLANCE_SIZE = 0.45; // of a full saccade: looking around, not away

const between = ([low, high]) => low + Math.random() * (high - low);
const wave = (seconds, period, phase = 0) => Math.sin((seconds / period) * 2 * Math.PI + phase);

/** Sway and breath at a time; the periods have no common multiple, so the movement never visibly repeats. */
export function bodyAt(nowMs) {
  const s = nowMs / 1000;
  return {
    swayX: 1.6 * wave(s, 7.3) + 0.7 * wave(s, 3.1, 1),
    swayY: 0.8 * wave(s, BREATH_S, 0.6) + 0.4 * wave(s, 5.7),
    tilt: 0.012 * wave(s, 9.1, 2) + 0.005 * wave(s, 4.3),
    yaw: 0.6 * wave(s, 11.3, 0.5) + 0.3 * wave(s, 5.3),
    breath: 0.5 + 0.5 * wave(s, BREATH_S),
  };
}

/** Blinks and glances while nobody speaks. */
export class IdleEyes {
  #blinkAt = 1500; // the first one soon, so that the page looks alive at once
  #glance = { t_ms: 3000, event_type: "saccade", duration_ms: 700, direction: "right" };

  at(nowMs) {
    if (nowMs > this.#blinkAt + BLINK_MS) this.#blinkAt = nowMs + between(BLINK_GAP_MS);
    if (nowMs > this.#glance.t_ms + this.#glance.duration_ms) this.#planGlance(nowMs);
    const gaze = gazeAt([this.#glance], nowMs);
    return {
      lid: blinkCurve((nowMs - this.#blinkAt) / BLINK_MS),
      gaze: { x: gaze.x * GLANCE_SIZE, y: gaze.y * GLANCE_SIZE },
    };
  }

  #planGlance(nowMs) {
    const direction = ["left", "right", "up", "down"][Math.floor(Math.random() * 4)];
    const times = { t_ms: nowMs + between(GLANCE_GAP_MS), duration_ms: between(GLANCE_MS) };
    this.#glance = { event_type: "saccade", direction, ...times };
  }
}
