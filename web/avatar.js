// The drawn character: one of the two renderers. Both have resize(), draw(frame), mouthBox and eyesBox.

import { EYES_AT, EYES_REACH, drawEyes } from "./eyes.js";
import { drawBackHair, drawBody, drawFace, drawFringe, drawNeck, drawNoseAndCheeks } from "./head.js";
import { STAGE, scoped } from "./ink.js";
import { MOUTH_AT, MOUTH_REACH, drawMouth } from "./mouth.js";

// The head turns about the top of the neck, not about its own middle.
const PIVOT = { x: 200, y: 310 };
const JAW_DROP = 9; // pixels of the chin at the widest vowel
const NOD = 2.5; // pixels that the head sinks on a loud syllable

export class DrawnAvatar {
  #canvas;
  #ctx;
  #placement = new DOMMatrix();

  constructor(canvas) {
    this.#canvas = canvas;
    this.#ctx = canvas.getContext("2d");
  }

  /** Where the mouth and the eyes are in canvas pixels, as last drawn. */
  get mouthBox() {
    const { left, right, top, bottom } = MOUTH_REACH;
    return this.#boxOf(MOUTH_AT.x - left, MOUTH_AT.y - top, MOUTH_AT.x + right, MOUTH_AT.y + bottom);
  }

  get eyesBox() {
    const { side, top, bottom } = EYES_REACH;
    return this.#boxOf(EYES_AT.left - side, EYES_AT.y - top, EYES_AT.right + side, EYES_AT.y + bottom);
  }

  /** frame: pose, lid, gaze, brow, emphasis and life (see face.js). */
  draw(frame) {
    const ctx = this.#ctx;
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    const scale = Math.min(this.#canvas.width / STAGE.width, this.#canvas.height / STAGE.height);
    // Standing on the lower edge, centred: the shoulders are cut by the frame, not floating in it.
    ctx.translate((this.#canvas.width - STAGE.width * scale) / 2, this.#canvas.height - STAGE.height * scale);
    ctx.scale(scale, scale);
    this.#drawCharacter(ctx, frame);
  }

  #drawCharacter(ctx, frame) {
    const { life, pose } = frame;
    scoped(ctx, () => { this.#turnHead(ctx, frame, 0.6); drawBackHair(ctx); });
    drawBody(ctx, life.breath);
    drawNeck(ctx, life.breath);
    scoped(ctx, () => {
      this.#turnHead(ctx, frame, 1);
      drawFace(ctx, JAW_DROP * pose.open);
      scoped(ctx, () => {
        // Features slide over the skull as the head turns: the cheapest cue of depth there is.
        ctx.translate(3 * life.yaw + frame.gaze.x, frame.gaze.y * 0.7);
        this.#placement = ctx.getTransform();
        drawNoseAndCheeks(ctx, pose.smile);
        drawMouth(ctx, pose);
        drawEyes(ctx, frame);
      });
      ctx.translate(life.yaw, 0);
      drawFringe(ctx);
    });
  }

  #turnHead(ctx, { life, emphasis }, share) {
    ctx.translate(PIVOT.x + life.swayX * share, PIVOT.y + (life.swayY + NOD * emphasis) * share);
    ctx.rotate(life.tilt * share);
    ctx.translate(-PIVOT.x, -PIVOT.y);
  }

  #boxOf(left, top, right, bottom) {
    const corners = [[left, top], [right, top], [left, bottom], [right, bottom]]
      .map(([x, y]) => this.#placement.transformPoint({ x, y }));
    const xs = corners.map((point) => point.x);
    const ys = corners.map((point) => point.y);
    const x = Math.floor(Math.min(...xs));
    const y = Math.floor(Math.min(...ys));
    return { x, y, width: Math.ceil(Math.max(...xs)) - x, height: Math.ceil(Math.max(...ys)) - y };
  }
}
