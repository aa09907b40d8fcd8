// The card of jobs: the list, what there is to say about it, and its end.

import { JobRow, nameOf } from "./jobrow.js";

const SAID = { completed: "is ready.", failed: "has failed.", cancelled: "is cancelled." };

export class JobCard {
  #nodes;
  #jobs;
  #play;
  #rows = new Map();
  #said = "";
  #failure = null;
  #planned = false;

  /** nodes: jobList, jobsNote, jobsEmpty, moreJobs. play(job): loads its render and speaks it. */
  constructor(nodes, jobs, play) {
    this.#nodes = nodes;
    this.#jobs = jobs;
    this.#play = play;
    nodes.moreJobs.addEventListener("click", () => this.#showMore());
    jobs.addEventListener("change", () => this.#paintSoon());
    jobs.addEventListener("ended", ({ detail: job }) => this.#say(`${nameOf(job)} ${SAID[job.status]}`));
  }

  /** Events come in bursts, most of all when a socket tells what was missed: the eye needs only the last state. */
  #paintSoon() {
    if (this.#planned) return;
    this.#planned = true;
    requestAnimationFrame(() => { this.#planned = false; this.#paint(); });
  }

  #paint() {
    const jobs = this.#jobs.list;
    const ids = new Set(jobs.map((job) => job.job_id));
    for (const [id, row] of this.#rows) if (!ids.has(id)) this.#remove(id, row);
    let place = this.#nodes.jobList.firstElementChild;
    for (const job of jobs) {
      const { node } = this.#rowOf(job);
      if (node === place) place = place.nextElementSibling;
      else this.#nodes.jobList.insertBefore(node, place); // the others stay: moving one would take its focus away
    }
    this.#nodes.jobsEmpty.hidden = jobs.length > 0 || this.#jobs.problem !== null;
    this.#nodes.moreJobs.hidden = !this.#jobs.more;
    this.#showNote();
  }

  #rowOf(job) {
    const known = this.#rows.get(job.job_id);
    if (known) known.update(job);
    const row = known ?? new JobRow(job, {
      onPlay: () => this.#try(() => this.#play(job), "cannot be played", job),
      onCancel: () => this.#try(() => this.#jobs.cancel(job.job_id), "cannot be cancelled", job),
    });
    this.#rows.set(job.job_id, row);
    return row;
  }

  #remove(id, row) {
    row.node.remove();
    this.#rows.delete(id);
  }

  /** The news are told beside the list: on a phone, the box for errors of the form is out of sight. */
  async #try(action, failed, job) {
    this.#failure = null;
    try {
      await action();
    } catch (error) {
      this.#failure = `${nameOf(job)} ${failed}. ${error.message} ${error.hint ?? ""}`.trim();
    }
    this.#showNote();
  }

  #say(text) {
    this.#said = text;
    this.#failure = null;
    this.#paintSoon();
  }

  #note() {
    const { problem, interrupted } = this.#jobs;
    if (problem?.status === 401) return "Your jobs are shown once the server has your API key: see Access.";
    if (problem) return `${problem.message} Trying again…`;
    if (interrupted) return "The connection was cut. Reconnecting…";
    return this.#failure ?? this.#said;
  }

  #showNote() {
    const note = this.#note();
    const { jobsNote } = this.#nodes;
    if (jobsNote.textContent !== note) jobsNote.textContent = note; // equal text would be read out again
    jobsNote.classList.toggle("failed", note === this.#failure);
  }

  async #showMore() {
    const last = this.#nodes.jobList.lastElementChild;
    await this.#jobs.showMore();
    this.#paint();
    if (this.#nodes.moreJobs.hidden) last?.nextElementSibling?.focus(); // the button had it
  }
}
