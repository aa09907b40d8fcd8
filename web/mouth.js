// The mouth of the drawn character. Origin: the middle of the closed lips; y points down.

import { INK, curve, ellipse, glow, linear, mix, scoped } from "./ink.js";

export const MOUTH_AT = Object.freeze({ x: 200, y: 257 });
// The box that no pose leaves, around MOUTH_AT.
export const MOUTH_REACH = Object.freeze({ left: 43, right: 43, top: 26, bottom: 34 });

const HALF_WIDTH = 27; // of the resting mouth: a little less than the distance between the pupils' centres
const WIDEST_GAP = 34; // of the widest vowel: the lower lip then stays clear of the chin line

/** Turns a pose into the positions that the drawing needs. */
function shapeOf(pose) {
  const gap = WIDEST_GAP * pose.open;
  const half = HALF_WIDTH * pose.width;
  // The jaw moves, not the skull: the lower lip takes two thirds of the opening. For f and v the upper lip lifts.
  const top = -gap * 0.33 - 4.5 * pose.tuck;
  const teethHeight = pose.teeth * Math.min(9, 3 + gap * 0.5) + 3 * pose.tuck;
  return {
    gap, half, top, teethHeight,
    bottom: mix(gap * 0.67, top + 6.5, pose.tuck), // a tucked lip meets the teeth, so no dark gap is left
    cornerY: -6 * pose.smile + 3.5 * pose.open + 1.2 * pose.tuck, // a biting lip is drawn straight, not smiling
    // Where the side tangents lie: small is a lens with sharp corners, near 1 an ellipse.
    fullness: mix(0.5, 0.96, Math.max(pose.round, 0.75 * pose.open)),
    upper: 6.5 + 2.5 * pose.round - 2.6 * pose.press - 1.2 * pose.open - 2 * Math.max(0, pose.width - 1) - pose.tuck,
    lower: 9 + 3 * pose.round - 3 * pose.press - 2.5 * pose.tuck - 2 * pose.open - 3 * Math.max(0, pose.width - 1),
  };
}

function innerPath(ctx, s) {
  const { half, top, bottom, cornerY, fullness } = s;
  const side = half * fullness;
  const lift = (y) => mix(cornerY, y, 0.75);
  curve(ctx, [
    -half, cornerY,
    -side, lift(top), -half * 0.45, top, 0, top,
    half * 0.45, top, side, lift(top), half, cornerY,
    side, lift(bottom), half * 0.5, bottom, 0, bottom,
    -half * 0.5, bottom, -side, lift(bottom), -half, cornerY,
  ]);
}

function outerPath(ctx, s) {
  const reach = s.half + 3;
  const bow = Math.min(8, s.half * 0.3);
  const peak = s.top - s.upper;
  const dip = peak + 2.2;
  const low = s.bottom + s.lower;
  const side = reach * mix(0.62, 0.95, s.fullness - 0.5);
  curve(ctx, [
    -reach, s.cornerY,
    -side, mix(s.cornerY, peak, 0.7), -bow * 1.8, peak, -bow, peak,
    -bow * 0.5, peak, -bow * 0.3, dip, 0, dip,
    bow * 0.3, dip, bow * 0.5, peak, bow, peak,
    bow * 1.8, peak, side, mix(s.cornerY, peak, 0.7), reach, s.cornerY,
    side, mix(s.cornerY, low, 0.8), s.half * 0.5, low, 0, low,
    -s.half * 0.5, low, -side, mix(s.cornerY, low, 0.8), -reach, s.cornerY,
  ]);
}

function drawLips(ctx, s) {
  outerPath(ctx, s);
  const middle = (s.top + s.bottom) / 2;
  const span = Math.max(1, s.bottom + s.lower - (s.top - s.upper));
  const share = (y) => Math.min(1, Math.max(0, (y - (s.top - s.upper)) / span));
  ctx.fillStyle = linear(ctx, 0, s.top - s.upper, 0, s.bottom + s.lower,
    [0, "#cf6f74"], [share(s.top), INK.upperLip], [share(middle), INK.upperLip],
    [share(s.bottom + 1), INK.lowerLip], [1, "#c5686c"]);
  ctx.fill();
  glow(ctx, 0, s.bottom + s.lower * 0.45, s.half * 0.5, Math.max(1, s.lower * 0.3), "255,235,230", 0.55);
}

function drawTeeth(ctx, s, pose) {
  const reach = s.half * (0.9 - 0.12 * pose.tuck);
  const lowerRise = pose.clench * Math.max(0, s.bottom - s.top - s.teethHeight) + 2 * pose.clench;
  if (lowerRise > 0.5) {
    ctx.fillStyle = INK.lowerTeeth;
    ctx.beginPath();
    ctx.roundRect(-reach * 0.85, s.bottom - lowerRise, reach * 1.7, lowerRise + 4, 3);
    ctx.fill();
  }
  if (s.teethHeight <= 0.3) return;
  const edge = s.top + s.teethHeight;
  ctx.fillStyle = linear(ctx, 0, s.top, 0, edge, [0, INK.teethShade], [0.4, INK.teeth], [1, INK.teeth]);
  ctx.beginPath();
  ctx.roundRect(-reach, s.top - 6, reach * 2, s.teethHeight + 6, [0, 0, 5, 5]);
  ctx.fill();
}

function drawTongue(ctx, s, pose) {
  const raised = mix(s.bottom + 3, (s.top + s.bottom) / 2 + 3, pose.tongue);
  const height = mix(s.gap * 0.34, s.gap * 0.5 + 3, pose.tongue);
  ctx.fillStyle = linear(ctx, 0, raised - height, 0, raised + height, [0, INK.tongue], [1, INK.tongueShade]);
  ellipse(ctx, 0, raised, s.half * 0.66, height);
  ctx.fill();
}

function drawInside(ctx, s, pose) {
  innerPath(ctx, s);
  ctx.clip();
  ctx.fillStyle = linear(ctx, 0, s.top, 0, s.bottom, [0, INK.mouthDeep], [0.55, INK.mouthDeep], [1, INK.mouthWarm]);
  ctx.fillRect(-60, -60, 120, 140);
  if (pose.tongue < 0.75) drawTongue(ctx, s, pose);
  drawTeeth(ctx, s, pose);
  if (pose.tongue >= 0.75) drawTongue(ctx, s, pose); // between the teeth, so in front of the lower row
}

/** The tip that passes the teeth in th; it grows out of nothing so that no frame pops. */
function drawTongueTip(ctx, s, pose) {
  const out = Math.max(0, (pose.tongue - 0.7) / 0.3);
  if (out === 0) return;
  const y = s.bottom - 0.5;
  ctx.fillStyle = linear(ctx, 0, y - 5, 0, y + 5, [0, INK.tongue], [1, "#e58d93"]);
  ellipse(ctx, 0, y, s.half * 0.5, 4.6 * out);
  ctx.fill();
}

function drawSeam(ctx, s) {
  // The line between closed lips; it fades as the dark of the open mouth takes over.
  ctx.globalAlpha = Math.max(0, 1 - s.gap / 8);
  ctx.strokeStyle = INK.lipSeam;
  ctx.lineWidth = 1.8;
  ctx.lineCap = "round";
  curve(ctx, [-s.half, s.cornerY, -s.half * 0.5, s.top + 1, -s.half * 0.2, s.top - 0.6, 0, s.top + 0.8,
    s.half * 0.2, s.top - 0.6, s.half * 0.5, s.top + 1, s.half, s.cornerY], false);
  ctx.stroke();
}

function drawCorners(ctx, s) {
  for (const side of [-1, 1]) glow(ctx, side * (s.half + 4), s.cornerY, 6, 5, "150,80,60", 0.28);
}

export function drawMouth(ctx, pose) {
  const s = shapeOf(pose);
  scoped(ctx, () => {
    ctx.translate(MOUTH_AT.x, MOUTH_AT.y);
    glow(ctx, 0, s.bottom + s.lower + 5, 24, 6, "150,80,55", 0.3 + 0.25 * pose.tuck); // shadow under the lower lip
    drawCorners(ctx, s);
    drawLips(ctx, s);
    if (s.bottom - s.top > 0.4) scoped(ctx, () => drawInside(ctx, s, pose));
    drawTongueTip(ctx, s, pose);
    scoped(ctx, () => drawSeam(ctx, s));
  });
}
