"""Values of the DAG, here or on their way, and what became of the calls that make them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from deployments.core import keys

ValueT_co = TypeVar("ValueT_co", covariant=True)
ResultT = TypeVar("ResultT")


@dataclass
class Tally:
    """What became of the calls of one stage."""

    calls: int = 0
    cached: int = 0
    """Calls whose value was there, or made by somebody else."""
    started: float = float("inf")
    """time.monotonic() of the first call."""
    ended: float = 0.0
    """time.monotonic() at which the last value was there."""

    def note_end(self) -> None:
        """A value is there."""
        self.ended = max(self.ended, time.monotonic())

    @property
    def seconds(self) -> float:
        """From the first call to the last value."""
        return max(0.0, self.ended - self.started)


class Made(Generic[ValueT_co]):
    """A value of the DAG, here or on its way. Awaiting it gives the value."""

    def __init__(self, handle: Any, value: Awaitable[ValueT_co], digest: str | None = None) -> None:
        """
        Args:
            handle: what the next stage takes in its place: a reference, a response not awaited, or the value.
            value: gives the value.
            digest: of the value, where it is known.
        """
        self.handle = handle
        self.future: asyncio.Future[ValueT_co] = asyncio.ensure_future(value)
        # Given up before anybody awaited it, a failure is no news.
        self.future.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._digest = digest
        self._hashing: asyncio.Task[str] | None = None
        self.claims: list[asyncio.Future[Any]] = []
        """Done once the keys of the values that are made of this one are led."""

    @property
    def is_new(self) -> bool:
        """Its digest is not known yet: so nothing that is made of it can be in the cache."""
        return self._digest is None

    def __await__(self) -> Generator[Any, None, ValueT_co]:
        return asyncio.shield(self.future).__await__()

    async def digest(self) -> str:
        """Of the value, which it waits for."""
        if self._digest is None:
            self._hashing = self._hashing or asyncio.ensure_future(self._hash())
            self._digest = await asyncio.shield(self._hashing)
        return self._digest

    async def _hash(self) -> str:
        return await asyncio.to_thread(keys.digest, await self)

    def cancel(self) -> None:
        """Gives up on it."""
        # A response that failed says so again when it is cancelled.
        with contextlib.suppress(Exception):
            self.handle.cancel()
        self.future.cancel()


def start(work: Callable[..., Any], inputs: Sequence[Any]) -> Made[Any]:
    """Starts work on inputs: plain values, or values of the DAG, for which it gets their handles."""
    pending = work(*(value.handle if isinstance(value, Made) else value for value in inputs))
    return Made(pending, pending)


def done(value: ResultT) -> asyncio.Future[ResultT]:
    """A future that has its value."""
    future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future
