"""The jobs room as the ingress sees it: Ray-free, over a line to the leader."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from deployments.core.errors import Conflict, NotFound, Unavailable
from deployments.core.tasks import detached

from .contract import Deposed, Job, State, StoreFailed, Submission, unknown_job
from .feed import Notice, Step
from .line import Line, Update, View

logger = logging.getLogger("ray.serve")

_INSIST_S = 30.0
"""A leader that died is replaced within seconds; whoever asks in the meantime waits so long at most."""
_AGAIN_S, _LONGEST_S = 0.1, 1.0
_ABANDON_TRIES = 20
_SENDERS = 2
"""Calls with new jobs on their way at a time: what comes meanwhile goes together in the next."""
_TOGETHER = 64
"""New jobs in one call."""


class Client:
    """One for each ingress replica."""

    def __init__(self, line: Line) -> None:
        """
        Args:
            line: to the leader.
        """
        self._line = line
        self._waiting: list[tuple[Submission, asyncio.Future[Job]]] = []
        self._senders = 0
        self._watchers: dict[str, set[asyncio.Queue[Step | None]]] = {}
        self.unfinished = 0
        """Jobs of the whole server that have not ended, as last heard."""
        self.connected = False
        """Whether the leader is heard, and its store works."""
        self._listener = detached(self._listen())

    @property
    def listeners(self) -> int:
        """How many wait for news of a job."""
        return sum(len(queues) for queues in self._watchers.values())

    async def submit(self, submission: Submission) -> Job:
        """Hands a job in; it is written when this returns.

        Raises:
            AvatarError: as Desk.submit.
        """
        answer: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._waiting.append((submission, answer))
        if self._senders < _SENDERS:
            self._senders += 1
            detached(self._send())
        return await answer

    async def finish(self, submission: Submission, on_accepted: Callable[[Job], object] = lambda _: None) -> Job:
        """Hands a job in and waits until it has ended.

        Cancelled, it cancels the job, unless that has an Idempotency-Key: then whoever left may come back for it.

        Args:
            submission: the job.
            on_accepted: told which job it is: with an Idempotency-Key it may be an older one.
        """
        try:
            return await self._finish(submission, on_accepted)
        except asyncio.CancelledError:
            if submission.job.idempotency_key is None:
                self.abandon(submission.job)
            raise

    def abandon(self, job: Job) -> None:
        """Has a job cancelled that nobody waits for any more; returns at once."""
        detached(self._abandon(job))

    async def _abandon(self, job: Job) -> None:
        """Also a job that is still on its way to the leader."""
        for _ in range(_ABANDON_TRIES):
            with contextlib.suppress(Conflict, Unavailable):
                try:
                    await self.cancel(job.job_id, job.owner)
                except NotFound:
                    await asyncio.sleep(_AGAIN_S)
                    continue
            return

    async def _finish(self, submission: Submission, on_accepted: Callable[[Job], object]) -> Job:
        job_id = submission.job.job_id
        with self._watching(job_id) as news:
            job = await self.submit(submission)
            on_accepted(job)
            if job.job_id != job_id:  # one of the same Idempotency-Key
                return await self.end_of(job.job_id)
            while not job.ended:
                step = await news.get()
                job = (await self.get([job_id]))[0].job if step is None else step.job or job
            return job

    async def end_of(self, job_id: str) -> Job:
        """Waits until a job has ended.

        Raises:
            NotFound
        """
        async with contextlib.aclosing(self.watch(job_id, 0)) as updates:
            async for update in updates:
                if update.job:
                    return update.job
        raise unknown_job(job_id)

    async def watch(self, job_id: str, after_seq: int) -> AsyncGenerator[Update, None]:
        """Every event with a higher number, in order and without gaps, until the job has ended.

        Raises:
            NotFound: no such job.
        """
        with self._watching(job_id) as news:
            news.put_nowait(None)
            while True:
                step = await news.get()
                events = tuple(event for event in step.events if event.seq > after_seq) if step else ()
                if step is None or (events and events[0].seq != after_seq + 1):
                    step = await self._catch_up(job_id, after_seq)
                    events = step.events
                if events or step.job:
                    yield Update(step.attempt, events, step.job)
                    after_seq = events[-1].seq if events else after_seq
                if step.job:
                    return

    async def _catch_up(self, job_id: str, after_seq: int) -> Step:
        job, events = await self._insist("catch_up", job_id, after_seq)
        if job is None:
            raise unknown_job(job_id)
        return Step(job_id, job.attempt, tuple(events), job if job.ended else None)

    async def get(self, job_ids: Sequence[str]) -> list[View]:
        """Jobs, in the order asked for.

        Raises:
            NotFound: one of them is unknown.
        """
        views: list[View | None] = await self._insist("get", list(job_ids))
        for job_id, view in zip(job_ids, views, strict=True):
            if view is None:
                raise unknown_job(job_id)
        return [view for view in views if view]

    async def cancel(self, job_id: str, owner: str | None) -> Job:
        """See Desk.cancel. It may have been done, and only the answer lost: that is no conflict with oneself."""
        unanswered = False

        def again(*arguments: Any) -> tuple[Any, ...]:
            nonlocal unanswered
            unanswered = True
            return arguments

        try:
            job: Job = await self._insist("cancel", job_id, owner, again=again)
        except Conflict:
            job = (await self.get([job_id]))[0].job
            if not unanswered or job.state != "cancelled":
                raise
        return job

    async def charge(self, owner: str, requests_per_minute: float | None) -> None:
        """See Desk.charge."""
        if requests_per_minute is not None:
            await self._insist("charge", owner, requests_per_minute)

    async def page(
        self, owner: str | None, state: State | None, limit: int, cursor: str | None
    ) -> tuple[list[View], str | None]:
        """A part of the jobs, newest first, and the cursor of the next part: see Store.page. Texts are cut."""
        views, following = await self._insist("page", owner, state, limit, cursor)
        return views, following

    async def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        counts: dict[State, int] = await self._insist("counts")
        return counts

    async def metrics(self) -> tuple[str, bytes]:
        """Content type and text of the whole server's metrics."""
        text: tuple[str, bytes] = await self._insist("metrics")
        return text

    async def _send(self) -> None:
        try:
            while self._waiting:
                part, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
                for (_, answer), outcome in zip(part, await self._hand_in([each for each, _ in part]), strict=True):
                    if answer.done():  # whoever waited has left
                        continue
                    if isinstance(outcome, Exception):
                        answer.set_exception(outcome)
                    else:
                        answer.set_result(outcome)
        finally:
            self._senders -= 1

    async def _hand_in(self, submissions: list[Submission]) -> list[Job | Exception]:
        """Each as a Job or as what was wrong with it."""
        try:
            return await self._insist("submit", submissions, again=_once_more)  # type: ignore[no-any-return]
        except Exception as error:
            return [error] * len(submissions)

    async def _insist(self, method: str, *arguments: Any, again: Callable[..., Any] | None = None) -> Any:
        """Asks again while the leader is being replaced."""
        now = asyncio.get_running_loop().time
        give_up_at, pause_s = now() + _INSIST_S, _AGAIN_S
        while True:
            try:
                return _led(await self._line.ask(method, *arguments))
            except StoreFailed:  # the leader is there, and says so
                raise
            except Unavailable as error:
                if now() > give_up_at:
                    raise
                logger.warning("%s: the jobs do not answer, asking again: %s", method, error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_S)
            arguments = again(*arguments) if again else arguments

    @contextlib.contextmanager
    def _watching(self, job_id: str) -> Iterator[asyncio.Queue[Step | None]]:
        """News of a job; None: something may have been missed."""
        queue: asyncio.Queue[Step | None] = asyncio.Queue()
        self._watchers.setdefault(job_id, set()).add(queue)
        try:
            yield queue
        finally:
            self._watchers[job_id].discard(queue)
            if not self._watchers[job_id]:
                del self._watchers[job_id]

    async def _listen(self) -> None:
        pause_s = _AGAIN_S
        while True:
            try:
                async with contextlib.aclosing(self._line.listen()) as notices:
                    await self._hear(notices)
                pause_s = _AGAIN_S
            except Exception as error:  # whatever it is: who watches must not be left alone
                logger.info("the feed of jobs ended: %s", error)
            self.connected = False
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_S)

    async def _hear(self, notices: AsyncGenerator[Notice, None]) -> None:
        first = True
        async for notice in notices:
            self.unfinished, self.connected = notice.unfinished, notice.connected
            if first:
                first = False
                for queue in [queue for queues in self._watchers.values() for queue in queues]:
                    queue.put_nowait(None)
            for step in notice.steps:
                for queue in self._watchers.get(step.job_id, ()):
                    queue.put_nowait(step)


def _led(answer: Any) -> Any:
    """Raises Deposed where one of several jobs came to a leader of the past: its successor is to be asked for all."""
    if isinstance(answer, list) and (refusals := [each for each in answer if isinstance(each, Deposed)]):
        raise refusals[0]
    return answer


def _once_more(submissions: list[Submission]) -> tuple[list[Submission]]:
    return ([replace(submission, again=True) for submission in submissions],)
