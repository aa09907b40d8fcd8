// Progress of one job over a WebSocket that comes back by itself and misses nothing.

// Full jitter: what was cut together does not come back together, on a server that has just started.
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15000;
// The server says something every 15 s at least; a line that stays silent for two such times is dead.
const SILENCE_MS = 35000;
const NO_SUCH_JOB = 4404; // the server's close code

const ENDS = new Set(["completed", "failed", "cancelled"]);

export const hasEnded = (status) => ENDS.has(status);

function addressOf(jobId, lastSeq) {
  const url = new URL(`ws/progress/${encodeURIComponent(jobId)}`, document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  if (lastSeq > 0) url.searchParams.set("last_seq", lastSeq);
  return url.href;
}

export class ProgressSocket {
  #jobId;
  #hear;
  #lastSeq;
  #socket = null;
  #timer = 0;
  #watchdog = 0;
  #failures = 0;
  #live = false;
  #over = false;

  /**
   * hear.event(event): each event once and in order, those after `lastSeq`.
   * hear.link(): `live` or `interrupted` has changed. hear.gone(): the server has no such job.
   */
  constructor(jobId, lastSeq, hear) {
    this.#jobId = jobId;
    this.#lastSeq = lastSeq;
    this.#hear = hear;
    this.#connect();
  }

  get lastSeq() { return this.#lastSeq; }
  get live() { return this.#live; }
  get interrupted() { return !this.#live && !this.#over && this.#failures > 0; }

  /** Something has changed for the better (back online, back in view): tries at once instead of later. */
  nudge() {
    if (!this.#over && this.#socket === null) this.#connect();
  }

  close() {
    this.#over = true;
    this.#letGo();
  }

  #connect() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(addressOf(this.#jobId, this.#lastSeq));
    this.#socket = socket;
    this.#watch(socket);
    const ours = (listener) => (event) => { if (socket === this.#socket) listener(event); };
    socket.addEventListener("open", ours(() => this.#watch(socket)));
    socket.addEventListener("message", ours(({ data }) => { this.#watch(socket); this.#take(JSON.parse(data)); }));
    socket.addEventListener("close", ours(({ code }) => this.#closed(code)));
  }

  #watch(socket) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => { if (socket === this.#socket) this.#closed(0); }, SILENCE_MS);
  }

  #take(event) {
    this.#failures = 0; // not on "open": a proxy may accept and then cut
    this.#setLive(true);
    if (!(event.seq > this.#lastSeq)) return; // a heartbeat, or what was heard already
    this.#lastSeq = event.seq;
    if (hasEnded(event.status)) this.close();
    this.#hear.event(event);
  }

  #closed(code) {
    this.#letGo();
    if (code === NO_SUCH_JOB) {
      this.#over = true;
      this.#hear.gone();
      return;
    }
    const pause = Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#connect(), pause);
    this.#hear.link();
  }

  #letGo() {
    clearTimeout(this.#timer);
    clearTimeout(this.#watchdog);
    const socket = this.#socket;
    this.#socket = null; // first, so that its late events are not ours any more
    socket?.close();
    this.#live = false;
  }

  #setLive(live) {
    if (this.#live === live) return;
    this.#live = live;
    this.#hear.link();
  }
}
