"""What is written is told to whoever listens: one listener for each ingress replica, not for each socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from .contract import Change, Event, Job

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

    def publish(self, changes: Sequence[Change], unfinished: int, connected: bool) -> None:
        """Never waits."""
        notice = Notice(tuple(_step(change) for change in changes), unfinished, connected)
        for queue in list(self._listeners):
            if queue.qsize() < _BEHIND:
                queue.put_nowait(notice)
            else:
                self._let_go(queue)

    def close(self) -> None:
        """Ends every listening."""
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
        queue: asyncio.Queue[Notice | None] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield first
            while (notice := await queue.get()) is not None:
                yield notice
        finally:
            self._listeners.discard(queue)


def _step(change: Change) -> Step:
    job = change.job
    return Step(job.job_id, job.attempt, change.events, job if job.ended else None)
