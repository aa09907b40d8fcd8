// Has a video made: hands it in, says how far it is, shows it as it comes, and hands it on when it is finished.

import { failureOf, fetchRender, submitJob } from "./api.js";
import { ProgressSocket, hasEnded } from "./progress.js";

const STEP = 25; // percent: said aloud, so not at every frame

export class Filming {
  #nodes;
  #screen;
  #jobs;
  #notices;
  #onReady;
  #job = null; // { id, socket, status, message, progress } of the one that is made

  /**
   * nodes: making, makingBar, makingPercent, makingMessage, cancelMaking, speak. screen: shows it. jobs: the list, which has
   * it too. notices: says what goes wrong. onReady(render): plays it.
   */
  constructor(nodes, { screen, jobs, notices, onReady }) {
    this.#nodes = nodes;
    this.#screen = screen;
    this.#jobs = jobs;
    this.#notices = notices;
    this.#onReady = onReady;
    nodes.cancelMaking.addEventListener("click", () => this.#cancel());
    // Where no WebSocket comes through, the list still hears of the end.
    jobs.addEventListener("ended", ({ detail }) => { if (detail.job_id === this.#job?.id) this.#finish(); });
  }

  /** fields: of the form. poster: address of the portrait. */
  async begin(fields, poster) {
    const { job_id: id } = await submitJob(fields);
    this.leave();
    this.#screen.open({ width: fields.width, height: fields.height, poster });
    const job = { id, status: "pending", progress: 0, message: "Handed in.", said: -1, socket: null };
    this.#job = job;
    this.#show();
    job.socket = new ProgressSocket(id, 0, {
      event: (event) => this.#hear(event),
      link: () => this.#show(),
      gone: () => this.#finish(),
    });
    this.#jobs.refresh();
  }

  /** The video goes on being made, as one of the jobs. */
  leave() {
    const { making, cancelMaking, speak } = this.#nodes;
    this.#job?.socket?.close();
    this.#job = null;
    if (document.activeElement === cancelMaking) speak.focus({ preventScroll: true }); // it goes, and had the keyboard
    making.hidden = true;
  }

  #hear({ status, stage, message, progress }) {
    Object.assign(this.#job, { status, message, progress });
    if (stage === "video") this.#screen.playLive(this.#job.id);
    if (hasEnded(status)) this.#finish();
    else this.#show();
  }

  async #finish() {
    const { id } = this.#job;
    this.leave();
    try {
      const render = await fetchRender(id);
      if (this.#job !== null) return; // the next one is being made
      const failure = failureOf(render);
      if (failure) throw failure;
      await this.#onReady(render);
    } catch (error) {
      this.#screen.close();
      if (error.code === "cancelled") this.#notices.say("The video was cancelled.");
      else this.#notices.fail(error);
    }
  }

  async #cancel() {
    const { id } = this.#job;
    try {
      await this.#jobs.cancel(id);
      if (this.#job?.id === id) this.#finish();
    } catch (error) {
      this.#notices.fail(error);
    }
  }

  #show() {
    const { making, makingBar, makingPercent, makingMessage } = this.#nodes;
    const { status, progress, message, socket } = this.#job;
    making.hidden = false;
    // At work with nothing done yet: how far it is, is not known.
    if (status !== "processing" || progress > 0) makingBar.value = progress;
    else makingBar.removeAttribute("value");
    makingPercent.textContent = progress > 0 ? `${progress} %` : "";
    makingMessage.textContent = socket?.interrupted ? "The connection was cut. Reconnecting…" : message;
    this.#say(progress);
  }

  #say(progress) {
    const step = Math.floor(progress / STEP) * STEP;
    if (step <= this.#job.said) return;
    this.#job.said = step;
    this.#notices.say(step > 0 ? `Making the video, ${step} %` : "Making the video…");
  }
}
