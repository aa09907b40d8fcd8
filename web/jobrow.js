// One job as a row of the list. It is built once and then only changed, so that focus and movement survive.

import { videoPath } from "./api.js";
import { element } from "./dom.js";
import { hasEnded } from "./progress.js";
import { inSeconds } from "./result.js";

const STATES = {
  pending: "Waiting", processing: "Working", completed: "Ready", failed: "Failed", cancelled: "Cancelled",
};
const A_RECORDING = "A recording";
const NAME_LENGTH = 40; // of the text, where a button must say which job it belongs to

const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };

export function nameOf(job) {
  const letters = [...job.text.trim() || A_RECORDING];
  return letters.length > NAME_LENGTH ? `“${letters.slice(0, NAME_LENGTH).join("").trim()}…”` : `“${letters.join("")}”`;
}

/** The hour for today's jobs, the day for older ones. */
function timeOf(job) {
  const made = new Date(job.created_at);
  const isToday = made.toDateString() === new Date().toDateString();
  const style = isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(undefined, style).format(made);
}

function messageOf(job) {
  if (job.status === "cancelled") return ""; // the badge says it
  if (job.status === "failed") return job.error?.message ?? job.message;
  if (job.status === "pending" && job.queue_position) return `Number ${job.queue_position} in the queue.`;
  if (job.status !== "completed" || !job.started_at || !job.ended_at) return job.message;
  return `Made in ${inSeconds(new Date(job.ended_at) - new Date(job.started_at))} s.`;
}

export class JobRow {
  #badge = element("span", { className: "badge" });
  #kind = element("span", { className: "tag", textContent: "Video" });
  #voice = element("span");
  #priority = element("span");
  #time = element("time");
  #bar = element("progress", { max: 100 });
  #percent = element("span", { className: "percent" });
  #progress = element("div", { className: "job-progress" }, this.#bar, this.#percent);
  #message = element("span");
  #hint = element("span", { className: "job-hint" });
  #file = element("a", { textContent: "Download .mp4", download: "" });
  #cancel = element("button", { type: "button", textContent: "Cancel" });
  #play = element("button", { type: "button", textContent: "Play" });

  constructor(job, { onPlay, onCancel }) {
    const name = nameOf(job);
    this.#bar.setAttribute("aria-label", `Progress of ${name}`);
    this.#percent.setAttribute("aria-hidden", "true"); // the bar says it
    this.#cancel.setAttribute("aria-label", `Cancel ${name}`);
    this.#play.setAttribute("aria-label", `Play ${name}`);
    this.#cancel.addEventListener("click", () => this.#whileBusy(this.#cancel, onCancel));
    this.#play.addEventListener("click", () => this.#whileBusy(this.#play, onPlay));
    this.#file.setAttribute("aria-label", `Download .mp4 of ${name}`);
    this.#file.href = videoPath(job.job_id);
    this.#kind.hidden = !job.image_filename;
    this.#time.dateTime = job.created_at;
    this.node = element("li", { className: "job", tabIndex: -1 },
      element("p", { className: "job-text", textContent: job.text.trim() || A_RECORDING }),
      element("p", { className: "job-facts soft" }, this.#badge, this.#kind, this.#voice, this.#priority, this.#time),
      this.#progress,
      element("p", { className: "job-message soft" }, this.#message, " ", this.#hint, this.#file),
      element("div", { className: "job-actions" }, this.#cancel, this.#play));
    this.node.dataset.job = job.job_id;
    this.update(job);
  }

  update(job) {
    const ended = hasEnded(job.status);
    this.node.dataset.status = job.status;
    setText(this.#badge, STATES[job.status] ?? job.status);
    setText(this.#voice, job.voice_id || "recording");
    setText(this.#priority, `${job.priority} priority`);
    setText(this.#time, timeOf(job));
    setText(this.#message, messageOf(job));
    setText(this.#hint, job.error?.hint ?? "");
    this.#file.hidden = !job.image_filename || job.status !== "completed";
    this.#progress.hidden = ended;
    this.#showProgress(job);
    this.#offer(!ended, job.status === "completed");
  }

  /** At work with nothing done yet: how far it is, is not known; a text of one sentence stays so to its end. */
  #showProgress({ status, progress }) {
    const known = status !== "processing" || progress > 0;
    if (known) this.#bar.value = progress;
    else this.#bar.removeAttribute("value");
    setText(this.#percent, progress > 0 ? `${progress} %` : "");
  }

  /** A button that goes hands the keyboard focus on to what takes its place. */
  #offer(cancel, play) {
    const hadFocus = document.activeElement === this.#cancel;
    this.#cancel.hidden = !cancel;
    this.#play.hidden = !play;
    if (hadFocus && !cancel) (play ? this.#play : this.node).focus();
  }

  async #whileBusy(button, action) {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true"); // not `disabled`: that would throw the keyboard focus away
    try {
      await action();
    } finally {
      button.removeAttribute("aria-disabled");
    }
  }
}
