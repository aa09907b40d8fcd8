// The jobs as the server lists them, kept up to date: by sockets where something moves, by asking for the rest.

import { cancelJob, fetchJob, fetchJobs, submitJob } from "./api.js";
import { ProgressSocket, hasEnded } from "./progress.js";

const PART = 20; // rows that are shown at first, and that "More" adds
const MOST_UNFINISHED = 200; // how far down the list unfinished jobs are looked for
const MOST_PER_REQUEST = 200; // the server's own limit
const MOST_SOCKETS = 8;
// Jobs of other tabs and programs appear this often; a fifth of jitter keeps open pages from asking in step.
const ASK_EVERY_MS = 5000;

const isUnfinished = ({ job }) => !hasEnded(job.status);
const isPending = ({ job }) => job.status === "pending";

/** What the list says of a job that is known: an answer may be older than what the socket has said since. */
function merge(known, job, live) {
  if (hasEnded(known.status) && !hasEnded(job.status)) return known;
  const position = job.status === "pending" ? job.queue_position ?? known.queue_position : null;
  if (!live || hasEnded(job.status) || job.progress > known.progress) return { ...job, queue_position: position };
  const { status, stage, message, progress } = known;
  return { ...job, status, stage, message, progress, queue_position: position };
}

/** Fires "change" when anything of it has changed, and "ended" with the job as detail. */
export class Jobs extends EventTarget {
  #entries = new Map(); // by job ID, in the order of the list: { job, seq, socket }
  #wanted = PART;
  #more = false;
  #problem = null;
  #timer = 0;
  #reading = null; // the promise of its end, while the server is being asked
  #again = false;
  #era = 0; // another API key begins another

  get list() { return [...this.#entries.values()].map(({ job }) => job); }
  get more() { return this.#more; }
  /** Why the list could not be read just now, or null. */
  get problem() { return this.#problem; }
  get interrupted() { return [...this.#entries.values()].some(({ socket }) => socket?.interrupted); }

  /** For tests: the jobs with the number of their last event and whether their socket is open. */
  get report() {
    return [...this.#entries.values()].map(({ job, seq, socket }) => ({ ...job, seq, live: socket?.live ?? false }));
  }

  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(this.#timer) : this.wake()));
    window.addEventListener("online", () => this.wake());
    this.refresh();
  }

  /** After a time of silence: asks now, and does not wait for the next try of a socket. */
  wake() {
    for (const { socket } of this.#entries.values()) socket?.nudge();
    this.refresh();
  }

  /** Another API key sees other jobs. */
  restart() {
    this.#era += 1;
    this.#wanted = PART;
    this.#problem = null;
    this.#take([], false);
    this.refresh();
  }

  showMore() {
    this.#wanted = Math.max(this.#wanted, this.#entries.size) + PART;
    return this.refresh();
  }

  async submit(fields) {
    await submitJob(fields);
    await this.refresh();
  }

  async cancel(jobId) {
    try {
      this.#put(await cancelJob(jobId));
    } catch (error) {
      if (error.status !== 409) throw error; // it has ended meanwhile: the list will say how
    }
    this.refresh();
  }

  /** Asks the server for the list. While it is being asked, one more time is enough for all who want it. */
  refresh() {
    this.#again = true;
    this.#reading ??= this.#readAll();
    return this.#reading;
  }

  async #readAll() {
    while (this.#again) {
      this.#again = false;
      clearTimeout(this.#timer);
      await this.#read(this.#era);
    }
    this.#reading = null;
    this.#plan();
  }

  async #read(era) {
    try {
      const { jobs, cursor } = await this.#fetchWanted();
      if (era !== this.#era) return;
      this.#problem = null;
      this.#take(jobs, cursor !== null);
      await this.#locate(jobs);
    } catch (error) {
      if (era === this.#era) this.#problem = error;
    }
    this.#tell();
  }

  async #fetchWanted() {
    const jobs = [];
    let cursor = null;
    do {
      const limit = Math.min(MOST_PER_REQUEST, Math.max(PART, this.#wanted - jobs.length));
      const page = await fetchJobs(limit, cursor);
      jobs.push(...page.jobs);
      cursor = page.next_cursor;
      // The oldest start first: without those at work, a long queue would look as if nothing happened.
      const inQueue = jobs.length < MOST_UNFINISHED && jobs.length > 0 && !hasEnded(jobs.at(-1).status);
      if (jobs.length >= this.#wanted && !inQueue) break;
    } while (cursor !== null);
    return { jobs, cursor };
  }

  /** A list without places in the queue: asks for those of the jobs that come next. */
  async #locate(jobs) {
    const unplaced = jobs.filter((job) => job.status === "pending" && job.queue_position === null);
    const asked = unplaced.slice(-MOST_SOCKETS).map((job) => fetchJob(job.job_id));
    for (const { value } of await Promise.allSettled(asked)) if (value) this.#put(value);
  }

  #take(jobs, more) {
    const before = this.#entries;
    this.#entries = new Map(jobs.map((job) => [job.job_id, before.get(job.job_id) ?? { job, seq: 0, socket: null }]));
    for (const [id, { socket }] of before) if (!this.#entries.has(id)) socket?.close();
    this.#more = more;
    for (const job of jobs) this.#put(job);
    this.#connect();
    this.#tell();
  }

  #put(job) {
    const entry = this.#entries.get(job.job_id);
    if (entry) this.#set(entry, merge(entry.job, job, entry.socket?.live));
  }

  #set(entry, job) {
    const justEnded = isUnfinished(entry) && hasEnded(job.status);
    entry.job = job;
    if (justEnded) this.dispatchEvent(new CustomEvent("ended", { detail: job }));
    this.#tell();
  }

  /** Sockets for those at work, then for those that come next. */
  #connect() {
    const unfinished = [...this.#entries.values()].reverse().filter(isUnfinished);
    const first = new Set([...unfinished].sort((a, b) => isPending(a) - isPending(b)).slice(0, MOST_SOCKETS));
    for (const entry of this.#entries.values()) {
      if (!first.has(entry)) {
        entry.socket?.close();
        entry.socket = null;
      } else if (entry.socket === null) {
        entry.socket = new ProgressSocket(entry.job.job_id, entry.seq, {
          event: (event) => this.#hear(entry, event),
          link: () => this.#tell(),
          gone: () => this.refresh(),
        });
      }
    }
  }

  #hear(entry, { seq, status, stage, message, progress }) {
    entry.seq = seq;
    // A fresh socket tells everything from the beginning: the list knew that much already.
    if (!isUnfinished(entry) || seq === 1 || progress < entry.job.progress) return;
    const moved = status !== entry.job.status;
    this.#set(entry, { ...entry.job, status, stage, message, progress });
    if (moved) this.#connect();
    if (hasEnded(status)) this.refresh(); // for what an event does not say: the hint of an error, the times
  }

  #tell() { this.dispatchEvent(new Event("change")); }

  #plan() {
    clearTimeout(this.#timer);
    if (document.hidden || this.#problem?.status === 401) return; // a new key restarts it
    this.#timer = setTimeout(() => this.refresh(), ASK_EVERY_MS * (0.8 + 0.4 * Math.random()));
  }
}
