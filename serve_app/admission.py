"""How much a Renderer computes and holds at a time, whatever is sent to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Admission:
    """Turns, first come first served. For one event loop.

    The jobs room sends as many as compute, and those that are cached or wait for equal ones. When such a one has to
    compute after all, it waits here.
    """

    def __init__(self, at_once: int) -> None:
        """
        Args:
            at_once: turns at a time.
        """
        self._turns = asyncio.Semaphore(at_once)
        self.at_work = 0
        """Turns that are taken."""
        self.waiting = 0
        """Those who wait for one."""

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn and has it."""
        self.waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self.waiting -= 1
        self.at_work += 1
        try:
            yield
        finally:
            self.at_work -= 1
            self._turns.release()


class Budget:
    """Bounds how much is held at a time, first come first served. For one event loop."""

    def __init__(self, most: float) -> None:
        """
        Args:
            most: of all that is taken together, in any unit. Who takes more alone has it alone.
        """
        self._most = most
        self._line = asyncio.Lock()
        self._freed = asyncio.Event()
        self._takers = 0
        self.taken = 0.0

    @asynccontextmanager
    async def take(self, amount: float) -> AsyncIterator[None]:
        """Waits for so much and has it."""
        async with self._line:  # whose turn it is waits here, all behind for the lock
            while self._takers and self.taken + amount > self._most:
                self._freed.clear()
                await self._freed.wait()
            self.taken += amount
            self._takers += 1
        try:
            yield
        finally:
            self._takers -= 1
            self.taken = self.taken - amount if self._takers else 0.0  # sums round
            self._freed.set()
