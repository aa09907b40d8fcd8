"""The order of pending jobs: three classes that share the server, keys that take turns, first come first served."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from typing import get_args

from deployments.core.types import Priority

from .contract import Job

WEIGHTS: dict[Priority, int] = {"high": 16, "normal": 4, "low": 1}
"""Shares of the classes that have jobs: of 21 starts under full load the lowest class still has one."""


class _Line:
    """One class: owners take turns, each with their oldest job."""

    def __init__(self) -> None:
        self.owners: OrderedDict[str, OrderedDict[str, Job]] = OrderedDict()
        self.size = 0

    def add(self, job: Job, first: bool) -> None:
        jobs = self.owners.setdefault(job.owner, OrderedDict())
        jobs[job.job_id] = job
        if first:
            jobs.move_to_end(job.job_id, last=False)
        self.size += 1

    def pop(self) -> Job:
        owner, jobs = next(iter(self.owners.items()))
        _, job = jobs.popitem(last=False)
        self.owners.move_to_end(owner)
        self._taken(owner)
        return job

    def remove(self, job: Job) -> None:
        del self.owners[job.owner][job.job_id]
        self._taken(job.owner)

    def _taken(self, owner: str) -> None:
        self.size -= 1
        if not self.owners[owner]:
            del self.owners[owner]

    def places(self, wanted: Collection[str]) -> Iterator[tuple[str, int]]:
        """Of each of these jobs that is here: how many of its owner's start before it."""
        for jobs in self.owners.values():
            yield from ((job_id, place) for place, job_id in enumerate(jobs) if job_id in wanted)

    def ahead_of(self, job: Job, place: int) -> int:
        """Jobs of this class that start before the one at this place of its owner's, if nothing changes."""
        ahead, before = place, True
        for owner, jobs in self.owners.items():
            if owner == job.owner:
                before = False
            else:
                ahead += min(len(jobs), place + before)
        return ahead


class Queue:
    """Which job is next: smooth weighted round robin between classes (as in nginx), so that none starves."""

    def __init__(self) -> None:
        self._lines: dict[Priority, _Line] = {priority: _Line() for priority in get_args(Priority)}
        self._credit: dict[Priority, int] = dict.fromkeys(self._lines, 0)
        self._jobs: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def add(self, job: Job, *, first: bool = False) -> None:
        """
        Args:
            job: not in the queue.
            first: before the other jobs of its class and owner: it has waited already.
        """
        self._jobs[job.job_id] = job
        self._lines[job.priority].add(job, first)

    def pop(self) -> Job | None:
        """Takes the next job out."""
        waiting = [priority for priority, line in self._lines.items() if line.size]
        if not waiting:
            return None
        for priority in waiting:
            self._credit[priority] += WEIGHTS[priority]
        chosen = max(waiting, key=lambda priority: self._credit[priority])  # of equals the higher class: listed first
        self._credit[chosen] -= sum(WEIGHTS[priority] for priority in waiting)
        job = self._lines[chosen].pop()
        self._left(job)
        return job

    def remove(self, job_id: str) -> Job | None:
        """Takes a job out of turn; None when it is not there."""
        job = self._jobs.get(job_id)
        if job is not None:
            self._lines[job.priority].remove(job)
            self._left(job)
        return job

    def _left(self, job: Job) -> None:
        del self._jobs[job.job_id]
        if not self._lines[job.priority].size:
            self._credit[job.priority] = 0  # a class that was away starts without debts or savings

    def position(self, job_id: str) -> int | None:
        """1 for the next; higher classes count as ahead with all of their jobs. None when it is not there."""
        return self.positions([job_id]).get(job_id)

    def positions(self, job_ids: Iterable[str]) -> dict[str, int]:
        """The same for each of several that is there."""
        wanted = {job_id for job_id in job_ids if job_id in self._jobs}
        classes = {self._jobs[job_id].priority for job_id in wanted}
        found: dict[str, int] = {}
        higher = 0
        for priority, line in self._lines.items():
            places = line.places(wanted) if priority in classes else ()
            found |= {job_id: higher + line.ahead_of(self._jobs[job_id], place) + 1 for job_id, place in places}
            higher += line.size
        return found
