"""Runs jobs: as many at once as the server computes, each attempt under its own fence."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from deployments.core.errors import AvatarError, TimedOut, Unavailable
from deployments.core.tasks import detached
from deployments.core.types import RenderRequest

from .contract import Change, Failure, Job, Report, Result
from .table import Table

logger = logging.getLogger("ray.serve")

_RIDERS = 4
"""Times the slots: jobs beyond them that compute nothing. Each holds little more than a call."""
_LOOK_EVERY_S, _LOOK_SHARE = 0.5, 0.1
"""A single job is looked at at once. Of hundreds a second, each costs a millisecond that others need: looking goes on
for a tenth of the time at most."""
_LOOKING = 8
"""Questions of jobs that come while the queue is full; more are refused unasked: it would only make things worse."""
_LOOK_AT = 100
"""Requests in one question whether they are cached."""
_BACKOFF_S, _LONGEST_BACKOFF_S = 1.0, 30.0
"""Full jitter (Brooker, Exponential backoff and jitter, 2015): what was lost together does not come back together."""


class Performer(Protocol):
    """What does the work."""

    def run(self, job: Job) -> AsyncGenerator[Report, None]:
        """Renders under the job's attempt; the last report is the Result. Closing it gives the work up.

        Raises:
            Unavailable: something was lost; another attempt may succeed.
            AvatarError: another attempt would fail as well.
        """

    async def cached(self, requests: Sequence[RenderRequest]) -> list[bool]:
        """Which of them need no computing."""

    async def publish(self, job_id: str, ref: str) -> None:
        """Makes the files of an attempt those of the job.

        Raises:
            AvatarError
        """


class Dispatcher:
    """Starts what the table's queue gives and tells the table what became of it."""

    def __init__(
        self,
        table: Table,
        performer: Performer,
        at_once: int,
        stall_s: float,
        nudge: Callable[[], object],
        confirm: Callable[[], Awaitable[None]],
        shares_work: bool = True,
    ) -> None:
        """
        Args:
            table: the jobs.
            performer: does the work.
            at_once: jobs that compute at a time.
            stall_s: an attempt that reports nothing for this long is given up.
            nudge: called when the table has changes.
            confirm: returns when this process is known to lead; raises Deposed where it does not.
            shares_work: equal jobs at the same time are computed once.
        """
        self._table = table
        self._performer = performer
        self._at_once = at_once
        self._stall_s = stall_s
        self._nudge = nudge
        self._confirm = confirm
        self._shares_work = shares_work
        self._computing: set[str] = set()
        self._riding: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._at_work: Counter[RenderRequest] = Counter()
        self._unlooked: list[str] = []
        self._looker: asyncio.Task[None] | None = None
        self._looking = 0
        self._stopped = False

    def admit(self, job: Job) -> None:
        """A new job is in the queue: starts it if it may, out of turn if it costs nothing."""
        self.fill()
        if job.job_id not in self._table.queue or not self._may_be_shared(job.request):
            return
        if self._at_work[job.request] and self._may_ride:
            self._ride(job.job_id)
        else:
            self._unlooked.append(job.job_id)
            if self._looker is None or self._looker.done():
                self._looker = detached(self._look())

    async def is_free(self, request: RenderRequest) -> bool:
        """Whether a job costs no computing: then it need not wait, and there is room for it in a full queue."""
        if not self._may_be_shared(request) or self._looking >= _LOOKING or not self._may_ride:
            return False
        if self._at_work[request]:
            return True
        self._looking += 1
        try:
            return (await self._performer.cached([request]))[0]
        except Exception as error:
            logger.warning("looking for a cached job failed: %s", error)
            return False
        finally:
            self._looking -= 1

    def _may_be_shared(self, request: RenderRequest) -> bool:
        return self._shares_work and request.cache == "use"

    def fill(self) -> None:
        """Starts as many jobs as there are free places."""
        while self._has_place and (job := self._table.start(time.time())):
            self._computing.add(job.job_id)
            self._at_work[job.request] += 1
        self._nudge()

    @property
    def _has_place(self) -> bool:
        return len(self._computing) < self._at_once and not self._stopped

    @property
    def _may_ride(self) -> bool:
        return len(self._riding) < _RIDERS * self._at_once and not self._stopped

    def _ride(self, job_id: str) -> None:
        if not self._may_ride:
            self._unlooked.append(job_id)
        elif job := self._table.start_this(job_id, time.time()):
            self._riding.add(job_id)
            self._at_work[job.request] += 1
            self._nudge()

    async def _look(self) -> None:
        """Jobs that wait while others compute, though all of them is in the cache: many in one question."""
        while self._unlooked and not self._stopped:
            began_s = time.monotonic()
            if self._may_ride:
                part, self._unlooked = self._unlooked[:_LOOK_AT], self._unlooked[_LOOK_AT:]
                for job_id in await self._free_of(part):
                    self._ride(job_id)
            took_s = time.monotonic() - began_s
            await asyncio.sleep(max(_LOOK_EVERY_S, took_s * (1 / _LOOK_SHARE - 1)))

    async def _free_of(self, job_ids: Sequence[str]) -> list[str]:
        """Those that are in the queue and cost no computing."""
        jobs = [job for job_id in job_ids if job_id in self._table.queue and (job := self._table.get(job_id))]
        try:
            known = await self._performer.cached([job.request for job in jobs]) if jobs else []
        except Exception as error:  # they only wait for their turn
            logger.warning("looking for cached jobs failed: %s", error)
            known = [False] * len(jobs)
        return [job.job_id for job, is_known in zip(jobs, known, strict=True) if is_known or self._at_work[job.request]]

    def act(self, changes: Iterable[Change]) -> None:
        """Does what is written: attempts that began are run, those of ended jobs given up."""
        for job in (change.job for change in changes):
            task = self._tasks.get(job.job_id)
            if job.state == "processing" and task is None and self._table.holds(job.job_id, job.attempt):
                if not self._stopped:
                    self._tasks[job.job_id] = detached(self._attempt(job))
            elif job.state == "cancelled" and task is None:
                self.leave(job)
            elif job.state == "cancelled":
                self.cancel(job.job_id)

    def cancel(self, job_id: str) -> None:
        """Gives an attempt up, at once."""
        task = self._tasks.get(job_id)
        if task and not task.cancelling():  # once: a second time would break off what it does to give up
            task.cancel()

    async def stop(self) -> None:
        """Gives everything up, and starts nothing more."""
        self._stopped = True
        tasks = [*self._tasks.values(), *([self._looker] if self._looker else [])]
        for task in tasks:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _attempt(self, job: Job) -> None:
        try:
            await self._run(job)
        except Unavailable as error:
            self._lost(job, error)
        except AvatarError as error:
            logger.info("job %s failed: %s: %s", job.job_id, error.code, error)
            self._table.fail(job.job_id, job.attempt, Failure.of(error), time.time())
        except Exception:
            logger.exception("job %s failed", job.job_id)
            self._table.fail(job.job_id, job.attempt, Failure.of(AvatarError("")), time.time())
        finally:
            self._tasks.pop(job.job_id, None)
            self.leave(job)

    async def _run(self, job: Job) -> None:
        result = await self._follow(job)
        await self._confirm()  # or it would replace the files of its successor's attempt
        if self._table.holds(job.job_id, job.attempt):
            await self._performer.publish(job.job_id, result.ref)
            self._table.complete(job.job_id, job.attempt, result, time.time())

    async def _follow(self, job: Job) -> Result:
        heard = False
        async with contextlib.aclosing(self._performer.run(job)) as reports:
            while True:
                try:
                    async with asyncio.timeout(self._stall_s):  # wait_for loses a cancellation that meets a report
                        report = await anext(reports)
                except TimeoutError:
                    stalled = TimedOut if heard else Unavailable  # one that never said a word may be dead
                    raise stalled(f"no progress for {self._stall_s:g} s") from None
                except StopAsyncIteration:
                    raise Unavailable("the renderer ended without a result") from None
                heard = True
                if isinstance(report, Result):
                    return report
                self._table.advance(job.job_id, job.attempt, report.stage, report.progress, report.message)
                self._nudge()

    def _lost(self, job: Job, error: Exception) -> None:
        logger.warning("job %s: attempt %d lost: %s", job.job_id, job.attempt, error)
        if self._table.lose(job.job_id, job.attempt, time.time()):
            longest_s = min(_LONGEST_BACKOFF_S, _BACKOFF_S * 2**job.losses)
            asyncio.get_running_loop().call_later(random.uniform(0, longest_s), self._again, job.job_id)

    def _again(self, job_id: str) -> None:
        self._table.enqueue(job_id)
        self.fill()

    def leave(self, job: Job) -> None:
        """Its place is free."""
        if job.job_id in self._computing or job.job_id in self._riding:
            self._at_work[job.request] -= 1
            if not self._at_work[job.request]:
                del self._at_work[job.request]
        self._computing.discard(job.job_id)
        self._riding.discard(job.job_id)
        self.fill()
