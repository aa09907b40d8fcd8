"""What is written is told to whoever listens: one listener for each ingress replica, not for each socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, replace

from .contract import Change, Event, Job

_EVERY_S, _AT_ONCE = 0.02, 4
"""A listener is told fifty times a second; after a pause a few times at once: a job that is cached begins and ends
within that time, and somebody waits for it."""
_BEHIND = 1000
"""Notices that a listener may be behind; then it is let go, and asks anew for what it missed."""


@dataclass(frozen=True)
class Step:
    """News of a job."""

    job_id: str
    attempt: int
    events: tuple[Event, ...]
    job: Job | None
    """Only once it has ended."""


@dataclass(frozen=True)
class Notice:
    """News of several jobs, written together."""

    steps: tuple[Step, ...]
    unfinished: int
    """Jobs of the whole server that have not ended."""
    connected: bool = True
    """Whether the store works."""


class Feed:
    """Tells all listeners everything, in order."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Notice | None]] = set()
        self._closed = False

    def publish(self, changes: Sequence[Change], unfinished: int, connected: bool) -> None:
        """Never waits."""
        notice = Notice(tuple(_step(change) for change in changes), unfinished, connected)
        for queue in list(self._listeners):
            if queue.qsize() < _BEHIND:
                queue.put_nowait(notice)
            else:
                self._let_go(queue)

    def close(self) -> None:
        """Ends every listening, also what would begin later."""
        self._closed = True
        for queue in list(self._listeners):
            self._let_go(queue)

    def _let_go(self, queue: asyncio.Queue[Notice | None]) -> None:
        self._listeners.discard(queue)
        queue.put_nowait(None)

    async def listen(self, first: Notice) -> AsyncGenerator[Notice, None]:
        """Everything from now on.

        Args:
            first: said at once: from then on nothing is missed.
        """
        if self._closed:
            return
        queue: asyncio.Queue[Notice | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield first
            next_s = -float("inf")
            while (notice := await queue.get()) is not None:
                # Of many, the rest goes together: each call costs a millisecond on both sides.
                await asyncio.sleep(max(0.0, next_s - time.monotonic()))
                next_s = max(next_s, time.monotonic() - _AT_ONCE * _EVERY_S) + _EVERY_S
                yield _joined([notice, *_waiting(queue)])
        finally:
            self._listeners.discard(queue)


def _waiting(queue: asyncio.Queue[Notice | None]) -> Iterator[Notice]:
    """What is there already, up to the end."""
    while not queue.empty():
        if (notice := queue.get_nowait()) is None:
            queue.put_nowait(None)
            return
        yield notice


def _joined(notices: Sequence[Notice]) -> Notice:
    return replace(notices[-1], steps=tuple(step for notice in notices for step in notice.steps))


def _step(change: Change) -> Step:
    job = change.job
    return Step(job.job_id, job.attempt, change.events, job if job.ended else None)
