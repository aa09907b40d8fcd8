// Colours of the drawn character and the few drawing verbs that its parts share.

// All coordinates of the character are in this box; the renderer scales it to the canvas.
export const STAGE = Object.freeze({ width: 400, height: 440 });

export const INK = Object.freeze({
  skin: "#f2c3a0", skinLight: "#fcdfc6", skinShade: "#dd9c7a", skinDeep: "#c17f60", line: "#a8654c",
  blush: "238,120,105",
  hair: "#5a3327", hairDark: "#3a1f19", hairLight: "#93583c", hairGlow: "#c08a5e",
  brow: "#4b2a20", lash: "#2f1a16",
  eyeWhite: "#fffdf9", eyeShade: "#d9d3d6", pupil: "#10181c",
  iris: "#3f8f86", irisDark: "#1d4f52", irisLight: "#8fd0b8", irisRim: "#12393d",
  upperLip: "#bf5a63", lowerLip: "#d97a7c", lipSeam: "#a1434b",
  // Dark and clearly apart from every lip colour, so that an open mouth reads as open even at phone size.
  mouthDeep: "#2c0a12", mouthWarm: "#5a1a25",
  tongue: "#d8707a", tongueShade: "#b34e5b", teeth: "#fffaf2", teethShade: "#e6dbd2", lowerTeeth: "#f0e6dc",
  shirt: "#3b6fa5", shirtLight: "#5f93c6", shirtDark: "#274f7d", collar: "#f4efe6",
  earring: "#e8b95a",
});

/** Runs `draw` between save and restore, so that no part leaks its state into the next. */
export function scoped(ctx, draw) {
  ctx.save();
  draw();
  ctx.restore();
}

/** A path from a list of numbers: the first two start it, every six after them are one bezier curve. */
export function curve(ctx, [x, y, ...rest], close = true) {
  ctx.beginPath();
  ctx.moveTo(x, y);
  for (let i = 0; i < rest.length; i += 6) ctx.bezierCurveTo(...rest.slice(i, i + 6));
  if (close) ctx.closePath();
}

export function ellipse(ctx, x, y, rx, ry, turn = 0) {
  ctx.beginPath();
  ctx.ellipse(x, y, Math.max(0, rx), Math.max(0, ry), turn, 0, Math.PI * 2);
}

const withStops = (gradient, stops) => {
  stops.forEach(([at, colour]) => gradient.addColorStop(at, colour));
  return gradient;
};

export const radial = (ctx, x, y, from, to, ...stops) =>
  withStops(ctx.createRadialGradient(x, y, from, x, y, to), stops);
export const linear = (ctx, x0, y0, x1, y1, ...stops) => withStops(ctx.createLinearGradient(x0, y0, x1, y1), stops);

/** A soft spot of colour ("r,g,b") that fades to nothing at its edge. */
export function glow(ctx, x, y, rx, ry, rgb, alpha) {
  scoped(ctx, () => {
    ctx.translate(x, y);
    ctx.scale(1, ry / rx);
    ctx.fillStyle = radial(ctx, 0, 0, 0, rx, [0, `rgba(${rgb},${alpha})`], [1, `rgba(${rgb},0)`]);
    ellipse(ctx, 0, 0, rx, rx);
    ctx.fill();
  });
}

export const mix = (a, b, share) => a + (b - a) * share;
