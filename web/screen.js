// The video on the page: as it comes while it is made, then its file.

import { captionsPath, streamPath, thumbnailPath, videoPath } from "./api.js";

const shapeOf = (width, height) => (width > height ? "wide" : "upright");
// A stream that stopped this near to the end has been seen to its end: the sound's last packet may be missing.
const END_MS = 300;

export class Screen {
  #nodes;
  #player;
  #live = null; // { id, failed, seenMs } of the video that is shown while it is made

  /** nodes: views, videoView, video, videoTrack. player: plays what is finished. */
  constructor(nodes, player) {
    this.#nodes = nodes;
    this.#player = player;
    const { video } = nodes;
    video.addEventListener("timeupdate", () => { if (this.#live) this.#live.seenMs = video.currentTime * 1000; });
    video.addEventListener("error", () => { if (this.#live) this.#live.failed = true; });
  }

  /** Makes room for a video that is to come. poster: address of what is seen until then. */
  open({ width, height, poster }) {
    this.#player.unload();
    this.#clear();
    this.#shape(width, height, poster);
  }

  /** Plays it while it is made. Not every browser can: then it is shown when it is finished. */
  playLive(id) {
    if (this.#live?.id === id) return;
    this.#live = { id, failed: false, seenMs: 0 };
    this.#nodes.video.src = streamPath(id);
    this.#nodes.video.play().catch(() => {}); // refused, or no such format: nobody has asked for it yet
  }

  /** Shows a finished one; whether it should begin to play. */
  show(render) {
    const { video, videoTrack } = this.#nodes;
    const id = render.render_id;
    const { failed, seenMs } = this.#live?.id === id ? this.#live : { failed: true, seenMs: 0 };
    const isLive = !failed && seenMs > 0;
    const running = isLive && !video.paused && !video.ended;
    const isPaused = isLive && video.paused && !video.ended;
    this.#live = null;
    this.#shape(render.video.width, render.video.height, thumbnailPath(id));
    videoTrack.src = captionsPath(id, "vtt");
    this.#player.loadVideo(render, videoPath(id), running);
    if (running) return true;
    const isSeen = seenMs > render.duration_ms - END_MS;
    if (seenMs > 0 && !isSeen) this.#player.hold(seenMs); // goes on where it broke off, or was paused
    return !isSeen && !isPaused;
  }

  /** The avatar has the stage for itself again. */
  close() {
    this.#clear();
    this.#nodes.videoView.hidden = true;
    delete this.#nodes.views.dataset.video;
  }

  #shape(width, height, poster) {
    const { video, videoView, views } = this.#nodes;
    video.poster = poster;
    video.style.aspectRatio = `${width} / ${height}`;
    views.dataset.video = shapeOf(width, height);
    videoView.hidden = false;
  }

  #clear() {
    this.#live = null;
    const { video, videoTrack } = this.#nodes;
    videoTrack.removeAttribute("src");
    video.removeAttribute("src");
    video.load(); // lets go of the stream
  }
}
