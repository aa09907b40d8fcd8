"""An event loop in which waiting takes no time: when nothing is left to do, its clock leaps to the next timer.

While a thread works for it, as a store's does, its clock stands still. So back-offs, beats and stalls of minutes are
tested in milliseconds, and a slow machine changes no outcome.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

_PATIENCE_S = 30.0
"""Real seconds in which something must happen: a test that hangs fails."""
_LONGEST_S = 600.0
"""Seconds of the loop's own clock that a test may last: what never comes is waited for so long, at once."""


class _Selector(selectors.DefaultSelector):
    """Asks the loop how long to wait."""

    loop: LeapingLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if timeout is None or self.loop.works:
            events = super().select(_PATIENCE_S)
            assert events, "nothing happens any more"
            return events
        events = super().select(0)
        if not events:
            self.loop.leap(timeout)
        return events


class LeapingLoop(asyncio.SelectorEventLoop):
    """See above."""

    def __init__(self) -> None:
        self._now = 0.0
        self._works: set[Future[Any]] = set()
        self._threads = ThreadPoolExecutor(max_workers=4)
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    @property
    def works(self) -> bool:
        """Whether a thread works for it."""
        return bool(self._works)

    def leap(self, seconds: float) -> None:
        """Lets time pass."""
        self._now += seconds

    def time(self) -> float:
        return self._now

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., ResultT], *args: Any
    ) -> asyncio.Future[ResultT]:
        work = (executor or self._threads).submit(func, *args)
        self._works.add(work)
        answer = asyncio.wrap_future(work, loop=self)
        work.add_done_callback(self._worked)  # after the answer's own: it is told before time may pass
        return answer

    def _worked(self, work: Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            self.call_soon_threadsafe(self._works.discard, work)

    def close(self) -> None:
        self._threads.shutdown(wait=False)
        super().close()


def leaping(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs an async test in such a loop. What it leaves running is cancelled."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def limited() -> None:
            async with asyncio.timeout(_LONGEST_S):
                await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=LeapingLoop) as runner:
            runner.run(limited())

    return run


async def until(condition: Callable[[], object]) -> None:
    """Waits for something that no event tells of; in a loop that leaps."""
    for _ in range(20_000):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("what the test waits for does not come")
