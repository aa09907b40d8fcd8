// Eyes and brows of the drawn character. Each eye has its origin in its middle; y points down.

import { INK, curve, ellipse, linear, mix, radial, scoped } from "./ink.js";

export const EYES_AT = Object.freeze({ left: 158, right: 242, y: 192 });
// The box around both eyes that lids and lashes stay in.
export const EYES_REACH = Object.freeze({ side: 34, top: 30, bottom: 22 });

// Large eyes read as friendly and stay legible on a phone.
const SIZE = 1.18;
// How far the iris travels at a full glance: far enough to be read on a phone, with white left on both sides.
const TRAVEL = { x: 6.5, y: 4.5 };

/** The opening between the lids; shut = 1 lays the upper lid on the lower one. */
function openingPath(ctx, shut) {
  const lid = (open, closed) => mix(open, closed, shut);
  curve(ctx, [
    -21, 3,
    -17, lid(-15, 9), 8, lid(-22, 14), 21, lid(-2, 3),
    17, 14, -11, 17, -21, 3,
  ]);
}

function upperLidLine(ctx, shut) {
  const lid = (open, closed) => mix(open, closed, shut);
  curve(ctx, [-21.5, 3, -17, lid(-15, 9), 8, lid(-22, 14), 21, lid(-2, 3)], false);
}

function drawIris(ctx, gaze, side) {
  const x = gaze.x * TRAVEL.x * side; // the canvas is mirrored for the other eye, the direction must not be
  const y = -1.5 + gaze.y * TRAVEL.y;
  ctx.fillStyle = radial(ctx, x, y + 3, 2, 13.5,
    [0, INK.irisLight], [0.5, INK.iris], [0.88, INK.irisDark], [1, INK.irisRim]);
  ellipse(ctx, x, y, 13.2, 13.8);
  ctx.fill();
  ctx.fillStyle = INK.pupil;
  ellipse(ctx, x, y, 5.8, 6.2);
  ctx.fill();
  ctx.fillStyle = "rgba(255,255,255,0.95)"; // the light comes from the viewer's upper left in both eyes
  ellipse(ctx, x - 4.2 * side, y - 5, 3.5, 3.9);
  ctx.fill();
  ctx.fillStyle = "rgba(255,255,255,0.5)";
  ellipse(ctx, x + 4.6 * side, y + 5, 2, 2);
  ctx.fill();
}

function drawEyeball(ctx, gaze, side, shut) {
  openingPath(ctx, shut);
  ctx.clip();
  ctx.fillStyle = linear(ctx, 0, -16, 0, 14, [0, INK.eyeShade], [0.45, INK.eyeWhite], [1, INK.eyeWhite]);
  ctx.fillRect(-26, -24, 52, 44);
  drawIris(ctx, gaze, side);
  upperLidLine(ctx, shut);
  ctx.strokeStyle = "rgba(50,25,30,0.22)"; // the shadow of lid and lashes on the eyeball
  ctx.lineWidth = 9;
  ctx.stroke();
}

function drawLid(ctx, shut) {
  openingPath(ctx, 0);
  ctx.fillStyle = linear(ctx, 0, -18, 0, 12, [0, INK.skinShade], [1, INK.skin]);
  ctx.fill();
  ctx.strokeStyle = INK.skinDeep;
  ctx.globalAlpha = 0.55 * (1 - 0.7 * shut);
  ctx.lineWidth = 1.6;
  curve(ctx, [-17, -9, -10, -20, 8, -23, 19, -10], false); // the crease above the lid
  ctx.stroke();
}

function drawLashes(ctx, shut) {
  ctx.strokeStyle = INK.lash;
  ctx.lineCap = "round";
  ctx.lineWidth = 3.6;
  upperLidLine(ctx, shut);
  ctx.stroke();
  ctx.lineWidth = 2.2;
  const outer = mix(-2, 3, shut);
  curve(ctx, [19, outer - 1, 21, outer, 23, outer - mix(1, -1, shut), 24.5, outer - mix(4, -1.5, shut)], false);
  ctx.stroke();
  ctx.strokeStyle = "rgba(110,60,50,0.5)";
  ctx.lineWidth = 1.3;
  curve(ctx, [-17, 9, -8, 16, 12, 14, 19, 4], false); // lower lash line
  ctx.stroke();
}

function drawEye(ctx, x, side, frame) {
  scoped(ctx, () => {
    ctx.translate(x, EYES_AT.y);
    ctx.scale(side * SIZE, SIZE); // drawn as the viewer's right eye; the other one is its mirror image
    scoped(ctx, () => drawLid(ctx, frame.lid));
    if (frame.lid < 0.98) scoped(ctx, () => drawEyeball(ctx, frame.gaze, side, frame.lid));
    drawLashes(ctx, frame.lid);
  });
}

function drawBrow(ctx, x, side, raise) {
  scoped(ctx, () => {
    ctx.translate(x, EYES_AT.y - 39 - raise);
    ctx.scale(side, 1);
    ctx.fillStyle = INK.brow;
    ctx.globalAlpha = 0.9;
    curve(ctx, [
      -23, 1, -12, -6, 8, -9, 28, 3, 29, 5, 28, 6, 26, 5.4,
      9, -2, -8, 0.5, -20, 7.5, -25, 8, -25, 4, -23, 1,
    ]);
    ctx.fill();
  });
}

/** frame: lid 0..1 (1 shut), gaze {x, y} in -1..1, brow 0..1 (1 raised). */
export function drawEyes(ctx, frame) {
  const raise = 6 * frame.brow - 1.5 * frame.lid - 2.5 * frame.gaze.y;
  for (const [x, side] of [[EYES_AT.left, -1], [EYES_AT.right, 1]]) {
    drawEye(ctx, x, side, frame);
    drawBrow(ctx, x, side, raise);
  }
}
