"""In front of the cache: finished answers in this process, and equal requests at the same time as one render."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from deployments.cache.contract import LevelStats
from deployments.cache.lru import Lru
from deployments.core.errors import BadInput

from .results import RenderResult

_FAILURES = 3
"""A replica may be lost, and lost again while it is replaced; no more than that is bad luck."""

Render = Callable[[], Coroutine[Any, Any, RenderResult]]
"""Called in the context of the request; what it returns runs outside of it."""


@dataclass
class _Flight:
    """A render that one or more requests wait for."""

    task: asyncio.Future[RenderResult]
    waiting: int = 0


class Answers:
    """Level 0: small, in each ingress replica. Media stay where the first render of an answer stored them."""

    def __init__(self, limit_bytes: int, ttl_s: float, on_recall: Callable[[bool], object] | None = None) -> None:
        """
        Args:
            limit_bytes: of all answers together.
            ttl_s: life of one in seconds.
            on_recall: told of each lookup whether it was a hit.
        """
        self._on_recall = on_recall
        self._kept: Lru[RenderResult] = Lru(limit_bytes)
        self._ttl_s = ttl_s
        self._flights: dict[str, _Flight] = {}
        self._accesses = self._hits = 0

    def recall(self, key: str) -> RenderResult | None:
        """The answer that was given before."""
        self._accesses += 1
        answer = self._kept.get(key)
        self._hits += answer is not None
        if self._on_recall:
            self._on_recall(answer is not None)
        return answer

    def keep(self, key: str, answer: RenderResult) -> None:
        """For the next who asks the same."""
        self._kept.put(key, answer, answer.size_bytes, self._ttl_s)

    def drop(self, prefix: str) -> None:
        """Forgets the answers whose keys begin so."""
        for key in [key for key in self._kept if key.startswith(prefix)]:
            self._kept.pop(key)

    def stats(self) -> LevelStats:
        """Numbers of this process."""
        return LevelStats(len(self._kept), self._kept.size_bytes, self._kept.limit_bytes, self._accesses, self._hits)

    async def share(self, key: str, render: Render) -> tuple[RenderResult, bool]:
        """Renders, unless an equal request does so already: then waits for that. Also says who rendered: True, we did.

        It goes on as long as anybody waits for it. Who waited for somebody else's that failed renders anew, unless the
        input is bad: a lost replica or a time-out of another request is not an answer to this one. What fails several
        times over is: or hundreds who wait would make the server fail at the same text one after the other.
        """
        failures = 0
        while True:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight(_detached(render))
            try:
                return await self._wait(key, flight), leads
            except BadInput:
                raise
            except Exception:
                failures += 1
                if leads or failures == _FAILURES:
                    raise

    async def _wait(self, key: str, flight: _Flight) -> RenderResult:
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            over = flight.task.done() or not flight.waiting
            if over and self._flights.get(key) is flight:
                del self._flights[key]  # at once: nobody may join one that is over or given up
            if not flight.waiting:
                flight.task.cancel()


def _detached(render: Render) -> asyncio.Task[RenderResult]:
    """Outside the context of the request that happens to be the first: Serve cancels what belongs to it with it."""
    return asyncio.get_running_loop().create_task(render(), context=contextvars.Context())
