"""The jobs room without Ray: takes jobs in, keeps them, has them done, tells of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from deployments.core.errors import (
    Conflict,
    IdempotencyMismatch,
    QueueFull,
    RateLimited,
    TooManyJobs,
    TooManyRequests,
    Unavailable,
)
from deployments.core.measures import CANCELLATIONS, RENDERS, WEBHOOKS, Meter

from .callbacks import Callbacks, Deliver
from .contract import Change, Deposed, Event, Job, Page, Rules, State, Store, Submission, unknown_job
from .counting import count
from .dispatcher import Dispatcher, Performer
from .feed import Feed, Notice
from .journal import Journal
from .limits import TokenBuckets
from .table import Table

logger = logging.getLogger("ray.serve")

_EXPIRE_EVERY_S = 3600.0
_BRIEF_CHARS = 100
_COUNT_EVERY_S = 1.0
"""SQLite takes 40 ms to count a hundred thousand jobs, and new ones wait for it."""


class Desk:
    """All that the deployment does, but for Ray."""

    def __init__(self, store: Store, performer: Performer, deliver: Deliver, rules: Rules, counting: Meter) -> None:
        """
        Args:
            store: keeps the jobs.
            performer: does the work.
            deliver: tells a callback_url.
            rules: limits.
            counting: counts.
        """
        self._store = store
        self._rules = rules
        self._counting = counting
        self._callbacks = Callbacks(deliver)
        self._table = Table(rules.max_attempts)
        self._journal = Journal(self._table, store, self._written, self._dropped)
        self._dispatcher = Dispatcher(
            *(self._table, performer, rules.at_once, rules.stall_s),
            *(self._journal.nudge, self._journal.confirm, rules.shares_work),
        )
        self._buckets = TokenBuckets()
        self._by_idempotency: dict[tuple[str, str] | None, str] = {}
        self._cleaner: asyncio.Task[None] | None = None
        self._counts: dict[State, int] = {}
        self._counted_s = -float("inf")
        self.feed = Feed()

    async def open(self) -> None:
        """Becomes the leader and goes on with what the one before left."""
        left = await self._journal.ask(self._store.take_over)
        unfinished = [job for job in left if not job.ended]
        self._journal.open(unfinished)
        self._table.load(unfinished, time.time())
        self._by_idempotency = {key: job.job_id for job in unfinished if (key := _own_key(job))}
        for job in left:
            if job.ended and not job.told:
                self._callbacks.tell(job, self._told)
        self._dispatcher.fill()
        self._cleaner = asyncio.create_task(self._clean())

    async def close(self) -> None:
        """Stops; whoever leads next goes on."""
        if self._cleaner:
            self._cleaner.cancel()
        self.feed.close()
        await self._dispatcher.stop()
        await self._callbacks.stop()
        await self._journal.close()

    @property
    def deposed(self) -> bool:
        """Somebody else leads now."""
        return self._journal.deposed

    @property
    def works(self) -> bool:
        """Whether it writes jobs down."""
        return self._journal.writes

    async def submit(self, submission: Submission) -> Job:
        """Takes a job in; returns once it is written.

        Raises:
            IdempotencyMismatch, TooManyJobs, QueueFull, StoreFailed, Deposed
        """
        self._check_lead()
        job = submission.job
        try:
            known = await self._same(submission)
            if known is None and len(self._table.queue) >= self._rules.max_queued:
                self._check_limit(submission)
                await self._check_free(job)
                known = await self._same(submission)  # it may have come meanwhile
            if known is not None:
                return known
            self._check_limit(submission)
        except TooManyRequests:
            self._counting.add(RENDERS, outcome="refused")
            raise
        if key := _own_key(job):
            self._by_idempotency[key] = job.job_id
        self._table.submit(job)
        self._dispatcher.admit(job)
        await self._journal.settle()
        return self._journal.known(job.job_id) or job

    def charge(self, owner: str, requests_per_minute: float | None) -> None:
        """Counts a request against what its key may send.

        Raises:
            RateLimited
        """
        try:
            self._buckets.take(owner, requests_per_minute)
        except RateLimited:
            self._counting.add(RENDERS, outcome="refused")
            raise

    async def _same(self, submission: Submission) -> Job | None:
        """The job that was submitted before: by the same call, or under the same Idempotency-Key."""
        job = submission.job
        while True:
            if submission.again or self._is_here(job):
                await self._journal.settle()  # it may not be written yet
            found = await self._find(submission)
            if found is None and self._is_here(job):
                continue  # it came while the store was asked
            if found is not None and found.fingerprint != job.fingerprint:
                raise IdempotencyMismatch(
                    "Idempotency-Key: it was used for another request.",
                    hint="Use a new key for each different request.",
                )
            return found

    def _is_here(self, job: Job) -> bool:
        return self._table.get(job.job_id) is not None or _own_key(job) in self._by_idempotency

    async def _find(self, submission: Submission) -> Job | None:
        job, key = submission.job, _own_key(submission.job)
        if submission.again and (same := (await self.get([job.job_id]))[0]):
            return same
        if key is None:
            return self._journal.known(job.job_id)
        job_id = self._by_idempotency.get(key)
        return (await self.get([job_id]))[0] if job_id else await self._journal.ask(self._store.find, *key)

    async def _check_free(self, job: Job) -> None:
        """What costs no computing is taken in though the queue is full."""
        if not await self._dispatcher.is_free(job.request):
            raise QueueFull(
                "The server is at its limit and its queue is full.", hint="Try again after the time in Retry-After."
            )

    def _check_limit(self, submission: Submission) -> None:
        limit = submission.concurrent_jobs
        if limit is not None and self._table.owned(submission.job.owner) >= limit:
            raise TooManyJobs(
                f"This key may have {limit} jobs at a time.", hint="Wait for one of them to end, or cancel it."
            )

    async def cancel(self, job_id: str, owner: str | None) -> Job:
        """Ends a job that has not ended.

        Args:
            job_id: which.
            owner: who asks; None for an admin.

        Raises:
            NotFound: no such job, or somebody else's.
            Conflict: it has ended.
        """
        job = self._table.get(job_id) or (await self.get([job_id]))[0]
        if job is None or (owner is not None and job.owner != owner):
            raise unknown_job(job_id)
        state = job.state
        if self._table.cancel(job_id, time.time()) is None:
            raise Conflict("The job has ended already.", hint="Only a pending or processing job can be cancelled.")
        self._dispatcher.cancel(job_id)
        self._counting.add(CANCELLATIONS, state=state)
        await self._journal.settle()
        return self._journal.known(job_id) or job

    async def get(self, job_ids: Sequence[str]) -> list[Job | None]:
        """Jobs as they are written, in the order asked for."""
        self._check_lead()
        known = {job_id: self._journal.known(job_id) for job_id in job_ids}
        missing = [job_id for job_id, job in known.items() if job is None]
        if missing:
            known |= dict(zip(missing, await self._journal.ask(self._store.get, missing), strict=True))
        return [known[job_id] for job_id in job_ids]

    async def events(self, job_id: str, after_seq: int) -> list[Event]:
        """Those with a higher number, in order."""
        self._check_lead()
        return await self._journal.ask(self._store.events, job_id, after_seq)

    async def page(self, owner: str | None, state: State | None, limit: int, cursor: str | None) -> Page:
        """See Store.page."""
        self._check_lead()
        page = await self._journal.ask(self._store.page, owner, state, limit, cursor)
        # A list shows how the texts begin: hundreds of whole ones would travel for nothing.
        return replace(page, jobs=tuple(_brief(job) for job in page.jobs))

    async def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        if time.monotonic() > self._counted_s + _COUNT_EVERY_S:
            self._counts = await self._journal.ask(self._store.counts)
            self._counted_s = time.monotonic()
        return self._counts

    def positions(self, job_ids: Sequence[str]) -> dict[str, int]:
        """Places of pending jobs in the queue, 1 for the next."""
        return self._table.queue.positions(job_ids)

    @property
    def load(self) -> tuple[int, int]:
        """Jobs at work, and jobs that wait."""
        return len(self._table) - len(self._table.queue), len(self._table.queue)

    def now(self) -> Notice:
        """What a new listener must know."""
        return Notice((), len(self._table), self._journal.connected)

    def _check_lead(self) -> None:
        if self.deposed:
            raise Deposed("another process leads the jobs now")

    def _written(self, changes: Sequence[Change]) -> None:
        if self.deposed:
            self.feed.close()
            self._stopping = asyncio.create_task(self._dispatcher.stop())
            return
        for change in changes:
            count(self._counting, change)
            self._end(change.job)
        self._dispatcher.act(changes)
        self.feed.publish(changes, len(self._table), self._journal.connected)

    def _end(self, job: Job) -> None:
        if not job.ended:
            return
        if key := _own_key(job):
            self._by_idempotency.pop(key, None)  # the store knows it from now on
        if not job.told:
            self._callbacks.tell(job, self._told)

    async def _told(self, job_id: str, delivered: bool) -> None:
        self._counting.add(WEBHOOKS, outcome="delivered" if delivered else "given_up")
        with contextlib.suppress(Unavailable):  # then whoever leads next tells it once more
            if (job := (await self.get([job_id]))[0]) is not None:
                self._table.tell(job)
                self._journal.nudge()

    def _dropped(self, job: Job) -> None:
        if key := _own_key(job):
            self._by_idempotency.pop(key, None)
        self._dispatcher.leave(job)

    async def _clean(self) -> None:
        while not self.deposed:
            try:
                removed = await self._journal.expire(time.time() - self._rules.ttl_s)
                if removed:
                    logger.info("removed %d expired jobs", removed)
            except Unavailable as error:
                logger.warning("looking for expired jobs failed: %s", error)
            await asyncio.sleep(_EXPIRE_EVERY_S)


def _brief(job: Job) -> Job:
    return replace(job, request=replace(job.request, text=job.request.text[:_BRIEF_CHARS]))


def _own_key(job: Job) -> tuple[str, str] | None:
    return (job.owner, job.idempotency_key) if job.idempotency_key else None
