"""Every job that has not ended, and every change of state: pure, without clock or I/O.

A change is decided here, then written by the journal; only what is written is seen or acted on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from .contract import Change, Event, Failure, Job, Result, State
from .queue import Queue

_MOST_ATTEMPTS = 20
"""Restarts of the server included: a job that takes the whole of it down must end some day."""
_LOST = Failure(
    "attempts_exhausted",
    "A part of the server was lost each time that it worked on this job.",
    "Send it again; if it fails again, send the log to the operator: the job may be what breaks the server.",
    503,
)


class Table:
    """The state machine. Whatever does not fit the state of a job is refused: the answer is then False or None."""

    def __init__(self, max_attempts: int) -> None:
        """
        Args:
            max_attempts: a job fails when so many attempts ended because something died.
        """
        self.queue = Queue()
        self._max_attempts = max_attempts
        self._jobs: dict[str, Job] = {}
        self._changes: dict[str, Change] = {}
        self._owned: Counter[str] = Counter()

    def __len__(self) -> int:
        """Jobs that have not ended."""
        return len(self._jobs)

    def get(self, job_id: str) -> Job | None:
        """A job that has not ended."""
        return self._jobs.get(job_id)

    def owned(self, owner: str) -> int:
        """How many jobs of an owner have not ended."""
        return self._owned[owner]

    def holds(self, job_id: str, attempt: int) -> bool:
        """Whether this attempt is the one that counts: the fence."""
        job = self._jobs.get(job_id)
        return job is not None and job.state == "processing" and job.attempt == attempt

    def load(self, jobs: Iterable[Job], now_s: float) -> None:
        """Takes what the leader before left, oldest first.

        What it was working on begins anew. That is no loss of the job's own: leaders come and go in every rollout.
        """
        for job in sorted(jobs, key=lambda job: job.state == "pending"):  # what was at work has waited already
            self._put(job)
            if job.state == "processing" and job.attempt >= _MOST_ATTEMPTS:
                self._end(replace(job, state="failed", error=_LOST), now_s, _LOST.message)
                continue
            if job.state == "processing":
                message = "The server was restarted; the job begins anew."
                self._note(replace(job, state="pending"), "queue", "pending", job.last.progress, message)
            self.queue.add(self._jobs[job.job_id])

    def submit(self, job: Job) -> None:
        """A new job, at the end of the queue."""
        self._put(job)
        self._note(job, "queue", "pending", 0, "Waiting for its turn.")
        self.queue.add(self._jobs[job.job_id])

    def start(self, now_s: float) -> Job | None:
        """Takes the next job out of the queue, under a new attempt."""
        job = self.queue.pop()
        return None if job is None else self._begin(job, now_s)

    def start_this(self, job_id: str, now_s: float) -> Job | None:
        """The same out of turn."""
        job = self.queue.remove(job_id)
        return None if job is None else self._begin(job, now_s)

    def _begin(self, job: Job, now_s: float) -> Job:
        began = replace(job, state="processing", attempt=job.attempt + 1, started_s=job.started_s or now_s)
        message = "Started." if began.attempt == 1 else f"Started again: attempt {began.attempt}."
        return self._note(began, "queue", "processing", job.last.progress, message)

    def advance(self, job_id: str, attempt: int, stage: str, progress: int, message: str) -> bool:
        """Notes progress."""
        if not self.holds(job_id, attempt):
            return False
        self._note(self._jobs[job_id], stage, "processing", progress, message)
        return True

    def complete(self, job_id: str, attempt: int, result: Result, now_s: float) -> bool:
        """The job has its result."""
        if not self.holds(job_id, attempt):
            return False
        self._end(replace(self._jobs[job_id], state="completed", result=result), now_s, "Completed.")
        return True

    def fail(self, job_id: str, attempt: int, failure: Failure, now_s: float) -> bool:
        """The job will have no result."""
        if not self.holds(job_id, attempt):
            return False
        self._end(replace(self._jobs[job_id], state="failed", error=failure), now_s, failure.message)
        return True

    def lose(self, job_id: str, attempt: int, now_s: float) -> bool:
        """Something died under an attempt. True: the job is pending again, and to be put into the queue."""
        if not self.holds(job_id, attempt):
            return False
        job = replace(self._jobs[job_id], losses=self._jobs[job_id].losses + 1)
        if job.losses >= self._max_attempts:
            self._end(replace(job, state="failed", error=_LOST), now_s, _LOST.message)
            return False
        message = "A part of the server was lost; the job will be tried again."
        self._note(replace(job, state="pending"), "queue", "pending", job.last.progress, message)
        return True

    def enqueue(self, job_id: str) -> None:
        """Puts a lost job back, before the others of its class and owner."""
        job = self._jobs.get(job_id)
        if job is not None and job.state == "pending" and job_id not in self.queue:
            self.queue.add(job, first=True)

    def cancel(self, job_id: str, now_s: float) -> Job | None:
        """Ends a job that has not ended."""
        job = self._jobs.get(job_id)
        if job is None:
            return None
        self.queue.remove(job_id)
        return self._end(replace(job, state="cancelled"), now_s, "Cancelled.")

    def tell(self, job: Job) -> None:
        """Notes that the callback of an ended job is done with."""
        self._changes[job.job_id] = Change(replace(job, told=True), self._events(job.job_id))

    def drop(self, job_id: str) -> None:
        """Forgets a job that could never be written."""
        self.queue.remove(job_id)
        self._changes.pop(job_id, None)
        if (job := self._jobs.pop(job_id, None)) is not None:
            self._owned[job.owner] -= 1

    def take_changes(self) -> list[Change]:
        """What has changed since it was last asked."""
        changes, self._changes = list(self._changes.values()), {}
        return changes

    def put_back(self, changes: Iterable[Change]) -> None:
        """Changes that could not be written: before those that came since."""
        for change in changes:
            newer = self._changes.get(change.job.job_id, Change(change.job))
            self._changes[change.job.job_id] = Change(newer.job, change.events + newer.events)

    def _put(self, job: Job) -> None:
        self._jobs[job.job_id] = job
        self._owned[job.owner] += 1

    def _note(self, job: Job, stage: str, status: State, progress: int, message: str) -> Job:
        seen = job.last
        event = Event(seen.seq + 1, stage, status, min(100, max(progress, seen.progress)), message)
        job = replace(job, last=event)
        self._jobs[job.job_id] = job
        self._changes[job.job_id] = Change(job, (*self._events(job.job_id), event))
        return job

    def _events(self, job_id: str) -> tuple[Event, ...]:
        return self._changes[job_id].events if job_id in self._changes else ()

    def _end(self, job: Job, now_s: float, message: str) -> Job:
        progress = 100 if job.state == "completed" else job.last.progress
        job = self._note(replace(job, ended_s=now_s), "done", job.state, progress, message)
        del self._jobs[job.job_id]
        self._owned[job.owner] -= 1
        if not self._owned[job.owner]:
            del self._owned[job.owner]
        return job
