"""A store in memory that fails, hangs or is taken away when a test says so, and that looks at all that it is given."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import get_args

from deployments.jobs.contract import Change, Deposed, Event, Job, Page, State, Store, StoreFailed
from deployments.jobs.record import pack_job, place_of, read_cursor

from ..cache.stores import Gate

ARROWS: dict[State, set[State]] = {
    "pending": {"pending", "processing", "cancelled"},
    "processing": {"processing", "pending", "completed", "failed", "cancelled"},
}
"""From the picture in contract.py; a state with several events stays. Nothing follows the others."""


class Place:
    """What several stores share: the jobs, and who leads."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.events: dict[str, list[Event]] = {}
        self.leader: object = None
        self.lock = threading.Lock()
        self.wrongs: list[str] = []
        """What was written though it cannot follow on what was there."""

    def put(self, change: Change) -> None:
        """Notes a change, and what is wrong with it."""
        job, known = change.job, self.jobs.get(change.job.job_id)
        events = self.events.setdefault(job.job_id, [])
        for event in change.events:
            if event not in events:  # a batch may be written twice
                self.wrongs += wrongs_between(events[-1] if events else None, event)
                events.append(event)
        if job.last != events[-1]:
            self.wrongs.append(f"{job.job_id}: the last event is {events[-1]}, not {job.last}")
        if known is not None and known.ended and replace(job, told=known.told) != known:
            self.wrongs.append(f"{job.job_id}: has ended, and changed: {known} to {job}")
        self.jobs[job.job_id] = job


def wrongs_between(last: Event | None, event: Event) -> Iterator[str]:
    """Why an event cannot follow another; None: it is the first."""
    if last is None:
        if (event.seq, event.status) != (1, "pending"):
            yield f"the first event is {event}"
        return
    if event.seq != last.seq + 1:
        yield f"a gap: {last}, {event}"
    if event.progress < last.progress:
        yield f"progress falls: {last}, {event}"
    if event.status not in ARROWS.get(last.status, set()):
        yield f"no arrow: {last}, {event}"


class MemoryStore:
    """See Store."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.fails = False
        """Whether every call raises StoreFailed."""
        self.failures = 0
        """So many writes that are not empty raise StoreFailed, then it works again."""
        self.gate = Gate()
        """What every write passes; empty ones do not: they come by themselves."""
        self.batches: list[list[Change]] = []
        """Those written, but for empty ones."""
        self.closed = False
        self._token = object()

    def take_over(self) -> list[Job]:
        with self._asked() as place:
            place.leader = self._token
            return [job for job in self._newest() if not job.ended or not job.told][::-1]

    def write(self, changes: Sequence[Change]) -> None:
        if changes:
            self.gate()
        for change in changes:
            pack_job(change.job)  # what has no form cannot be kept
        if self.failures and changes:
            self.failures -= 1
            raise StoreFailed("the disk is full")
        with self._asked() as place:
            if place.leader is not self._token:
                raise Deposed("another process leads the jobs now")
            if changes:
                self.batches.append([*changes])
            if len({change.job.job_id for change in changes}) < len(changes):
                place.wrongs.append("a batch with two changes of a job")
            for change in changes:
                place.put(change)

    def get(self, job_ids: Sequence[str]) -> list[Job | None]:
        with self._asked() as place:
            return [place.jobs.get(job_id) for job_id in job_ids]

    def events(self, job_id: str, after_seq: int) -> list[Event]:
        with self._asked() as place:
            return [event for event in place.events.get(job_id, []) if event.seq > after_seq]

    def find(self, owner: str, idempotency_key: str) -> Job | None:
        with self._asked():
            asked = (owner, idempotency_key)
            return next((job for job in self._newest() if (job.owner, job.idempotency_key) == asked), None)

    def page(self, owner: str | None, state: State | None, limit: int, cursor: str | None) -> Page:
        with self._asked():
            behind = read_cursor(cursor) or "g"
            found = [
                job
                for job in self._newest()
                if owner in (None, job.owner) and state in (None, job.state) and place_of(job) < behind
            ]
        return Page(tuple(found[:limit]), place_of(found[limit - 1]) if len(found) > limit else None)

    def counts(self) -> dict[State, int]:
        with self._asked() as place:
            states = [job.state for job in place.jobs.values()]
            return {state: states.count(state) for state in get_args(State)}

    def expire(self, ended_before_s: float) -> int:
        with self._asked() as place:
            old = [job.job_id for job in place.jobs.values() if job.ended and (job.ended_s or 0) < ended_before_s]
            for job_id in old:
                del place.jobs[job_id], place.events[job_id]
            return len(old)

    def close(self) -> None:
        self.closed = True

    @contextmanager
    def _asked(self) -> Iterator[Place]:
        if self.fails:
            raise StoreFailed("the store does not answer")
        with self.place.lock:
            yield self.place

    def _newest(self) -> list[Job]:
        return sorted(self.place.jobs.values(), key=place_of, reverse=True)


def written(store: Store) -> dict[str, Job]:
    """All jobs of a store."""
    return {job.job_id: job for job in store.page(None, None, 10**6, None).jobs}
