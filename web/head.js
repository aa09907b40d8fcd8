// Everything of the drawn character that does not speak or see: body, neck, head, nose, hair.

import { INK, curve, ellipse, glow, linear, radial, scoped } from "./ink.js";

export function drawBody(ctx, breath) {
  scoped(ctx, () => {
    ctx.translate(0, -2.5 * breath); // shoulders rise by a few pixels with each breath
    curve(ctx, [30, 460, 34, 392, 78, 366, 134, 350, 160, 342, 240, 342, 266, 350, 322, 366, 366, 392, 370, 460]);
    ctx.fillStyle = linear(ctx, 0, 340, 0, 450, [0, INK.shirtLight], [0.5, INK.shirt], [1, INK.shirtDark]);
    ctx.fill();
    ctx.strokeStyle = "rgba(20,45,80,0.25)";
    ctx.lineWidth = 2;
    for (const side of [-1, 1]) { // sleeve folds
      curve(ctx, [200 + side * 108, 392, 200 + side * 112, 412, 200 + side * 112, 430, 200 + side * 106, 450], false);
      ctx.stroke();
    }
  });
}

export function drawNeck(ctx, breath) {
  curve(ctx, [168, 270, 170, 310, 168, 332, 150, 350, 168, 378, 232, 378, 250, 350, 232, 332, 230, 310, 232, 270]);
  ctx.fillStyle = linear(ctx, 0, 285, 0, 365, [0, INK.skinDeep], [0.45, INK.skinShade], [1, INK.skin]);
  ctx.fill();
  scoped(ctx, () => {
    ctx.translate(0, -2.5 * breath);
    ctx.strokeStyle = INK.collar;
    ctx.lineWidth = 11;
    ctx.lineCap = "round";
    curve(ctx, [143, 349, 158, 384, 242, 384, 257, 349], false);
    ctx.stroke();
    ctx.strokeStyle = "rgba(120,100,80,0.25)";
    ctx.lineWidth = 1.5;
    curve(ctx, [139, 352, 154, 392, 246, 392, 261, 352], false);
    ctx.stroke();
  });
}

export function drawBackHair(ctx) {
  curve(ctx, [
    200, 46, 118, 40, 78, 98, 84, 178, 88, 232, 72, 280, 96, 322, 122, 336, 150, 326, 164, 300,
    176, 296, 224, 296, 236, 300, 250, 326, 278, 336, 304, 322, 328, 280, 312, 232, 316, 178, 322, 98, 282, 40, 200, 46,
  ]);
  ctx.fillStyle = linear(ctx, 0, 60, 0, 330, [0, INK.hairDark], [0.6, INK.hair], [1, INK.hairDark]);
  ctx.fill();
}

function drawEar(ctx, side) {
  const x = 200 + side * 85;
  ellipse(ctx, x, 200, 12, 21, side * 0.12);
  ctx.fillStyle = linear(ctx, x - 12 * side, 0, x + 12 * side, 0, [0, INK.skinShade], [1, INK.skin]);
  ctx.fill();
  ctx.strokeStyle = "rgba(170,100,75,0.6)";
  ctx.lineWidth = 2;
  curve(ctx, [x + 3 * side, 188, x + 9 * side, 190, x + 7 * side, 206, x, 211], false);
  ctx.stroke();
  ellipse(ctx, x + 2 * side, 225, 4, 4);
  ctx.fillStyle = radial(ctx, x + 1, 224, 0, 5, [0, "#fff3c9"], [1, INK.earring]);
  ctx.fill();
}

function facePath(ctx, jaw) {
  const chin = 308 + jaw;
  curve(ctx, [
    113, 172, 113, 110, 150, 76, 200, 76, 250, 76, 287, 110, 287, 172,
    289, 216, 284, 250 + jaw * 0.5, 258, 280 + jaw * 0.8, 240, chin - 6, 220, chin, 200, chin,
    180, chin, 160, chin - 6, 142, 280 + jaw * 0.8, 116, 250 + jaw * 0.5, 111, 216, 113, 172,
  ]);
}

/** jaw: how many pixels the chin is lowered. */
export function drawFace(ctx, jaw) {
  drawEar(ctx, -1);
  drawEar(ctx, 1);
  facePath(ctx, jaw);
  ctx.fillStyle = radial(ctx, 188, 178, 20, 150, [0, INK.skinLight], [0.55, INK.skin], [1, INK.skinShade]);
  ctx.fill();
  scoped(ctx, () => {
    ctx.clip();
    glow(ctx, 200, 108, 120, 64, "150,80,52", 0.5); // shadow of the fringe
    glow(ctx, 200, 318 + jaw, 70, 26, "170,95,70", 0.35);
    glow(ctx, 292, 230, 44, 90, "170,95,70", 0.4); // the side away from the light
  });
}

export function drawNoseAndCheeks(ctx, smile) {
  for (const side of [-1, 1]) glow(ctx, 200 + side * 55, 232 - 2 * smile, 28, 19, INK.blush, 0.4);
  ctx.fillStyle = "rgba(176,106,78,0.35)"; // freckles, three a side
  for (const [dx, dy] of [[46, 222], [56, 226], [64, 220]]) {
    for (const side of [-1, 1]) { ellipse(ctx, 200 + side * dx, dy, 1.3, 1.3); ctx.fill(); }
  }
  glow(ctx, 203, 226, 15, 11, "185,105,75", 0.35);
  glow(ctx, 197, 214, 6, 16, "255,245,232", 0.75);
  ctx.strokeStyle = INK.line;
  ctx.lineWidth = 2.2;
  ctx.lineCap = "round";
  ctx.globalAlpha = 0.75;
  curve(ctx, [190, 226, 193, 233, 198, 230, 200, 231.5, 203, 230, 208, 232, 210, 226], false);
  ctx.stroke();
  ctx.globalAlpha = 1;
}

const FRINGE = [
  238, 64, 226, 104, 186, 132, 142, 146, 128, 156, 121, 180, 117, 226,
  112, 248, 104, 264, 90, 272, 84, 220, 78, 160, 98, 110, 116, 64, 162, 40, 208, 42,
  264, 40, 306, 78, 310, 132, 320, 180, 316, 226, 310, 272, 296, 264, 288, 248, 283, 226,
  284, 190, 282, 166, 272, 146, 256, 124, 244, 96, 238, 64,
];

const STRANDS = [
  [230, 62, 214, 96, 170, 122, 132, 142], [214, 54, 180, 80, 140, 100, 114, 176], [196, 48, 150, 62, 112, 92, 100, 190],
  [244, 64, 252, 94, 268, 124, 282, 150], [254, 54, 280, 80, 298, 116, 300, 190],
  [224, 58, 196, 92, 154, 110, 122, 150],
];

/** The hair in front of the forehead: it casts the light that makes the head look round. */
export function drawFringe(ctx) {
  curve(ctx, FRINGE);
  ctx.fillStyle = linear(ctx, 110, 50, 300, 250, [0, INK.hairLight], [0.35, INK.hair], [1, INK.hairDark]);
  ctx.fill();
  scoped(ctx, () => {
    ctx.clip();
    ctx.lineCap = "round";
    STRANDS.forEach((strand, i) => {
      ctx.strokeStyle = i % 2 ? "rgba(192,138,94,0.35)" : "rgba(40,20,16,0.3)";
      ctx.lineWidth = i % 2 ? 3 : 2;
      curve(ctx, strand, false);
      ctx.stroke();
    });
    glow(ctx, 152, 96, 44, 20, "214,160,110", 0.4);
    glow(ctx, 276, 104, 24, 16, "214,160,110", 0.25);
  });
}
