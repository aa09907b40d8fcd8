// Who is seen in a video: a portrait that comes with the server, or a picture of the user's own.

import { portraitPath } from "./api.js";
import { element } from "./dom.js";
import { acceptDrops } from "./drop.js";
import { showFaces } from "./marks.js";
import { uploadPicture } from "./upload.js";

const KINDS = "PNG, JPEG or WebP: choose it, or drop it here.";
const OWN = "own";

const titleOf = (name) => name.charAt(0).toUpperCase() + name.slice(1);

/** As in "me.jpg: 1024 × 1280 pixels, one face". */
function factsOf({ name, found }) {
  const { width, height, faces } = found;
  const count = { 0: "no face", 1: "one face" }[faces.length] ?? `${faces.length} faces, the one beside it will talk`;
  return `${name}: ${width} × ${height} pixels, ${count}`;
}

/** Why it cannot be made to talk, as a sentence and without the field of the request; empty where it can. */
function problemOf({ faces, ready, problem }) {
  if (ready) return "";
  if (faces.length === 0) return "No face was found. Take a picture of one face from the front.";
  const words = (problem ?? "Take another picture.").replace(/^image: /, "");
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${words.endsWith(".") ? "" : "."}`;
}

export class PortraitPicker {
  #nodes;
  #notices;
  #loaded = false;
  #own = null; // { blob, name, url, found, tile }
  #sending = null; // AbortController

  /** nodes: portrait and all in it. notices: says what goes wrong. */
  constructor(nodes, notices) {
    this.#nodes = nodes;
    this.#notices = notices;
    nodes.choosePicture.addEventListener("click", () => nodes.pictureFile.click());
    nodes.pictureFile.addEventListener("change", () => {
      const [file] = nodes.pictureFile.files;
      nodes.pictureFile.value = ""; // the same file can be chosen again
      if (file) this.take(file, file.name);
    });
    nodes.removePicture.addEventListener("click", () => this.clear());
    nodes.portraitList.addEventListener("change", () => this.#show());
    acceptDrops(nodes.portrait, (file) => this.take(file, file.name));
    this.#show();
  }

  get loaded() { return this.#loaded; }
  get busy() { return this.#sending !== null; }

  /** What keeps the chosen one from talking, in words, or null. */
  get problem() {
    if (this.busy) return { message: "The picture is not there yet.", hint: "Wait until it has been sent." };
    if (this.#chosen === null) return { message: "There is no portrait yet.", hint: "Choose one, or a picture of your own." };
    if (!this.#isOwn || this.#own.found.ready) return null;
    return { message: "This picture cannot be made to talk.", hint: problemOf(this.#own.found) };
  }

  /** What a video asks for. */
  get choice() { return { image_filename: this.#isOwn ? this.#own.found.filename : this.#chosen }; }

  /** Address of the picture. */
  get url() { return this.#isOwn ? this.#own.url : portraitPath(this.#chosen); }

  get #chosen() { return this.#nodes.portraitList.querySelector(":checked")?.value ?? null; }
  get #isOwn() { return this.#own !== null && this.#chosen === OWN; }

  /** portraits: those of the server. */
  show(portraits) {
    this.#loaded = true;
    const tiles = portraits.map(({ image_filename: name }) => this.#tile(name, titleOf(name), portraitPath(name)));
    this.#nodes.portraitList.replaceChildren(...tiles, ...(this.#own ? [this.#own.tile] : []));
    if (this.#chosen === null) this.#choose(tiles[0]);
    this.#show();
  }

  /** Sends a picture, in place of the one that was there. */
  async take(blob, name) {
    this.#sending?.abort();
    const sending = this.#sending = new AbortController();
    this.#notices.clear();
    this.#show();
    try {
      const found = await uploadPicture(blob, name, sending.signal, (share) => this.#showShare(share));
      this.#keep({ blob, name, found });
    } catch (error) {
      if (error.name !== "AbortError") this.#notices.fail(error);
    } finally {
      if (this.#sending === sending) this.#sending = null;
      this.#show();
    }
  }

  /** Sends it once more: the server keeps uploads for a day. */
  async again() {
    if (!this.#isOwn) return false;
    const { blob, name, found } = this.#own;
    await this.take(blob, name);
    return this.#isOwn && this.#own.found !== found;
  }

  clear() {
    this.#sending?.abort();
    this.#sending = null;
    this.#forget();
    if (this.#chosen === null) this.#choose(this.#nodes.portraitList.firstElementChild);
    this.#show();
    this.#nodes.choosePicture.focus(); // the button that was pressed has gone
  }

  #keep(own) {
    this.#forget();
    const url = URL.createObjectURL(own.blob);
    this.#own = { ...own, url, tile: this.#tile(OWN, "Yours", url) };
    this.#nodes.portraitList.append(this.#own.tile);
    this.#choose(this.#own.tile);
    showFaces(this.#nodes, url, own.found);
  }

  #forget() {
    if (this.#own === null) return;
    URL.revokeObjectURL(this.#own.url);
    this.#own.tile.remove();
    this.#own = null;
  }

  #tile(value, title, url) {
    return element("label", { className: "portrait-tile" },
      element("input", { type: "radio", name: "portrait", value }),
      element("img", { src: url, alt: "", loading: "lazy" }), // its name stands below it
      element("span", { textContent: title }));
  }

  #choose(tile) {
    const radio = tile?.querySelector("input");
    if (radio) radio.checked = true;
  }

  #showShare(share) {
    this.#nodes.sendingPicture.value = share;
    this.#nodes.portraitFacts.textContent = share < 1 ? `Sending, ${Math.round(share * 100)} %` : "Looking for a face…";
    if (share >= 1) this.#nodes.sendingPicture.removeAttribute("value");
  }

  #show() {
    const { sendingPicture, removePicture, faceView, portraitFacts, portraitProblem, portraitNotes } = this.#nodes;
    sendingPicture.hidden = !this.busy;
    if (!this.busy) sendingPicture.value = 0;
    removePicture.hidden = this.#own === null && !this.busy;
    faceView.hidden = !this.#isOwn || this.busy;
    portraitNotes.textContent = this.#isOwn ? this.#own.found.notes.join(" ") : "";
    portraitNotes.hidden = portraitNotes.textContent === "";
    portraitProblem.textContent = this.#isOwn && !this.busy ? problemOf(this.#own.found) : "";
    portraitProblem.hidden = portraitProblem.textContent === "";
    if (!this.busy) portraitFacts.textContent = this.#isOwn ? factsOf(this.#own) : `Your own as ${KINDS}`;
  }
}
