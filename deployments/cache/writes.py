"""Values on their way to level 2: written behind, so that nobody waits for a slow store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

LIMIT, LIMIT_BYTES = 64, 64_000_000
"""What may wait: half a minute of a bucket that takes 0.5 s for each; a quarter of level 1, beside which it is held."""


class Write(NamedTuple):
    """A value to be written; referred to until it is."""

    key: str
    value: Any
    digest: str
    size_bytes: int


class Writes:
    """A bounded queue, written one after the other. For one event loop."""

    def __init__(self, write: Callable[[Write], Awaitable[None]], delay_s: float) -> None:
        """
        Args:
            write: writes one; must not raise.
            delay_s: before the first of several: whoever waits for the value itself has it by then.
        """
        self._write = write
        self._delay_s = delay_s
        self._queue: deque[Write] = deque()
        """The first is being written."""
        self._task: asyncio.Task[None] | None = None
        self.lock = asyncio.Lock()
        """Who holds it may clear: nothing is being written."""

    def add(self, write: Write) -> bool:
        """Whether there was room."""
        waiting_bytes = sum(waiting.size_bytes for waiting in self._queue)
        if len(self._queue) >= LIMIT or waiting_bytes + write.size_bytes > LIMIT_BYTES:
            return False
        self._queue.append(write)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return True

    def clear(self) -> None:
        """Drops what waits. Only under the lock."""
        self._queue.clear()

    def drop(self, key: str) -> None:
        """Drops what waits for a key. Only under the lock."""
        self._queue = deque(write for write in self._queue if write.key != key)

    async def drain(self) -> None:
        """Waits until the queue is empty."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """Drops what waits, and what is being written if it has not begun in its thread."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._queue.clear()

    async def _run(self) -> None:
        await asyncio.sleep(self._delay_s)
        while True:
            async with self.lock:
                if not self._queue:
                    return
                await self._write(self._queue[0])
                self._queue.popleft()
