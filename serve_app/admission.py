"""How many renders are computed at a time, and how many may wait for their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deployments.core.errors import TooManyRequests


class Admission:
    """Turns, first come first served. For one event loop."""

    def __init__(self, at_once: int, waiting: int) -> None:
        """
        Args:
            at_once: turns at a time.
            waiting: those who may wait for one; more are refused.
        """
        self._turns = asyncio.Semaphore(at_once)
        self._places = waiting
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn and has it.

        Raises:
            TooManyRequests: too many wait already.
        """
        if self._turns.locked() and self._waiting >= self._places:
            raise TooManyRequests(
                "The server is at its limit and its queue is full.",
                hint="Try again after the time in Retry-After.",
            )
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()
