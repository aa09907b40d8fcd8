// The user's own pictures as a renderer: one image per viseme, with an optional base and an optional blink.

import { STAGE } from "./ink.js";
import { REST_POSE, VISEME_SETS, canonicalName, guessSet, poseDistance, poseOf } from "./visemes.js";

const DATA_IMAGE = /^data:image\/(png|jpeg|gif|webp|avif|svg\+xml)[;,]/i;
const IMAGE_FILE = /\.(png|jpe?g|gif|webp|avif|svg)$/i;
const LAYERS = ["base", "blink"];
// Above this share of a blink the eyes count as shut; there is no half-way picture.
const SHUT = 0.5;
const UNSIZED = 512; // an SVG without width and height has no size of its own

export class SpriteError extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

/** The address of an image, if this page may show it: what a file says is data, not to be trusted. */
export function checkedUrl(text) {
  const url = URL.canParse(text, document.baseURI) ? new URL(text, document.baseURI) : null;
  const allowed = url && (
    url.protocol === "data:" ? DATA_IMAGE.test(url.href)
      : url.protocol === "https:" || url.protocol === "blob:" || url.origin === location.origin);
  if (allowed) return url.href;
  const shown = String(text).slice(0, 60); // a data address may be megabytes long
  throw new SpriteError(
    `"${shown}" is not an image address that can be used.`, "Use https, a path on this server, or data:image/….");
}

/** "lisa-AA.png" names AA, "base.webp" names base. */
const stemOf = (fileName) => fileName.replace(/\.[^.]+$/, "").split(/[-_ ]/).pop();

async function loadImage(name, url) {
  const image = new Image();
  image.referrerPolicy = "no-referrer";
  image.src = url;
  try {
    await image.decode();
  } catch {
    throw new SpriteError(
      `The image for "${name}" cannot be read.`,
      "Check its address; its format may be PNG, JPEG, WebP, AVIF, GIF or SVG.",
    );
  }
  return image;
}

/** entries: [name, url] pairs. Names that no viseme set has are left out. */
async function loadSheet(entries) {
  const layerOf = (name) => LAYERS.find((layer) => layer === name.toLowerCase());
  const set = guessSet(entries.map(([name]) => name));
  const named = entries
    .map(([name, url]) => [layerOf(name) ?? canonicalName(set, name), url])
    .filter(([name]) => name !== null);
  if (!named.some(([name]) => !LAYERS.includes(name))) {
    throw new SpriteError("No image is named after a viseme.", "Name them for instance REST, AA, EE, OH, OO, FF, TH.");
  }
  const loaded = await Promise.all(named.map(async ([name, url]) => [name, await loadImage(name, url)]));
  const images = new Map(loaded);
  const [base, blink] = LAYERS.map((layer) => images.get(layer) ?? null);
  LAYERS.forEach((layer) => images.delete(layer));
  return { set, images, base, blink };
}

export async function sheetFromFiles(files) {
  const isPicture = ({ name, type }) => IMAGE_FILE.test(name) && (type === "" || type.startsWith("image/"));
  const pictures = [...files].filter(isPicture);
  const urls = pictures.map((file) => URL.createObjectURL(file));
  try {
    return await loadSheet(pictures.map((file, i) => [stemOf(file.name), urls[i]]));
  } finally {
    urls.forEach((url) => URL.revokeObjectURL(url)); // the decoded images stay
  }
}

export async function sheetFromJson(file) {
  const hint = 'Expected {"visemes": {"REST": "address", "AA": "address"}, "base": "address", "blink": "address"}.';
  let data;
  try {
    data = JSON.parse(await file.text());
  } catch {
    throw new SpriteError(`${file.name} is not valid JSON.`, hint);
  }
  const { visemes, ...rest } = data !== null && typeof data === "object" ? data : {};
  const entries = Object.entries({ ...rest, ...visemes });
  if (entries.length === 0 || entries.some(([, url]) => typeof url !== "string")) {
    throw new SpriteError(`${file.name} does not map viseme names to image addresses.`, hint);
  }
  return loadSheet(entries.map(([name, url]) => [name, checkedUrl(url)]));
}

/** The picture for a viseme: its own, else the one whose mouth looks most alike (so p without PP shows REST). */
export function pickSprite(sheet, set, viseme, weight) {
  const own = set === sheet.set && viseme !== null ? canonicalName(set, viseme) : null;
  if (own !== null && sheet.images.has(own)) return own;
  const wanted = viseme === null ? REST_POSE : poseOf(set, viseme, weight);
  const distance = (name) => poseDistance(wanted, VISEME_SETS[sheet.set][name]);
  return [...sheet.images.keys()].reduce((best, name) => (distance(name) < distance(best) ? name : best));
}

export class SpriteAvatar {
  #canvas;
  #ctx;
  #sheet;
  #box = { x: 0, y: 0, width: 0, height: 0 };

  constructor(canvas, sheet) {
    this.#canvas = canvas;
    this.#ctx = canvas.getContext("2d");
    this.#sheet = sheet;
  }

  // Where in a picture the mouth and the eyes are is not known, so both boxes are the whole picture.
  get mouthBox() { return this.#box; }
  get eyesBox() { return this.#box; }

  draw(frame) {
    const ctx = this.#ctx;
    const name = pickSprite(this.#sheet, frame.set, frame.viseme, frame.weight);
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    const scale = this.#place(this.#sheet.base ?? this.#sheet.images.get(name));
    ctx.translate(frame.life.swayX * scale, frame.life.swayY * scale);
    for (const layer of [this.#sheet.base, this.#sheet.images.get(name), frame.lid > SHUT ? this.#sheet.blink : null]) {
      if (layer) ctx.drawImage(layer, this.#box.x, this.#box.y, this.#box.width, this.#box.height);
    }
  }

  /** Fits the picture into the canvas, centred, and returns the scale. */
  #place(image) {
    const width = image.naturalWidth || UNSIZED;
    const height = image.naturalHeight || UNSIZED;
    const scale = Math.min(this.#canvas.width / width, this.#canvas.height / height);
    this.#box = {
      x: Math.round((this.#canvas.width - width * scale) / 2),
      y: Math.round((this.#canvas.height - height * scale) / 2),
      width: Math.round(width * scale),
      height: Math.round(height * scale),
    };
    return Math.min(1, this.#canvas.width / STAGE.width); // life moves in units of the drawn character's stage
  }
}
