// How a video is made: its size, frames and look, folded away until somebody wants another one.

const WHITE = "#ffffff"; // what the server takes where nothing is said

export class VideoOptions {
  #nodes;

  /** nodes: videoOptions (details), videoSummary, videoSize, videoFps, videoCrop, videoQuality, videoBackground, videoCaptions. */
  constructor(nodes) {
    this.#nodes = nodes;
    nodes.videoOptions.addEventListener("change", () => this.#show());
    this.#show(); // a browser may bring back what was set before a reload
  }

  /** What the server is sent. */
  get fields() {
    const { videoFps, videoCrop, videoQuality, videoBackground, videoCaptions } = this.#nodes;
    const [width, height] = this.#size;
    return {
      width, height,
      fps: Number(videoFps.value),
      crop: videoCrop.value,
      quality: videoQuality.value,
      captions: videoCaptions.checked,
      ...(videoBackground.value === WHITE ? {} : { background: videoBackground.value }),
    };
  }

  get #size() { return this.#nodes.videoSize.value.split("x").map(Number); }

  #show() {
    this.#nodes.videoSummary.textContent = `${this.#size.join(" × ")}, ${this.#nodes.videoFps.value} fps`;
  }
}
