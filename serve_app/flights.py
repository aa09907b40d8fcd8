"""Equal requests at the same time are one render."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from deployments.core.errors import AvatarError, StillRunning

from .results import RenderResult

_FAILURES = 3
"""A replica may be lost, and lost again while it is replaced; no more than that is bad luck."""

Render = Callable[[str], Coroutine[Any, Any, RenderResult]]
"""Renders under a render ID. What it returns runs outside of the request's context; cancelled, it gives the work up."""


@dataclass
class _Flight:
    """A render that one or more requests wait for."""

    render_id: str
    task: asyncio.Future[RenderResult]
    waiting: int = 0
    goes_on: bool = False
    """Somebody was told to ask for it later: it is not given up when nobody waits."""


class Flights:
    """Renders on their way, by what is asked for."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight] = {}

    async def share(
        self, key: str, new_id: Callable[[], str], render: Render, timeout_s: float
    ) -> tuple[RenderResult, bool]:
        """Renders, unless an equal request does so already: then waits for that. Also says who rendered: True, we did.

        It goes on as long as anybody waits for it. Who waited for somebody else's that failed renders anew, unless the
        input is bad: a lost replica or a time-out of another request is not an answer to this one. What fails several
        times over is: or hundreds who wait would make the server fail at the same text one after the other.

        Args:
            key: equal for equal requests.
            new_id: gives a render ID.
            render: does it.
            timeout_s: after so many seconds nobody waits any more, but the render goes on.

        Raises:
            StillRunning: after timeout_s.
        """
        give_up_at = asyncio.get_running_loop().time() + timeout_s
        failures = 0
        while True:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                render_id = new_id()
                flight = self._flights[key] = _Flight(render_id, _detached(render(render_id)))
            try:
                return await self._wait(key, flight, give_up_at), leads
            except StillRunning:
                raise
            except Exception as error:
                failures += 1
                if leads or failures == _FAILURES or (isinstance(error, AvatarError) and error.status < 500):
                    raise

    async def _wait(self, key: str, flight: _Flight, give_up_at: float) -> RenderResult:
        flight.waiting += 1
        try:
            left_s = max(0.0, give_up_at - asyncio.get_running_loop().time())
            await asyncio.wait([flight.task], timeout=left_s)
            if not flight.task.done():
                flight.goes_on = True
                raise StillRunning(
                    "The render takes longer than a client may wait; it goes on.",
                    hint="Ask for it at poll_url. For long texts use /v1/avatar/render_async.",
                    render_id=flight.render_id,
                )
            return flight.task.result()
        finally:
            flight.waiting -= 1
            over = flight.task.done() or not (flight.waiting or flight.goes_on)
            if over and self._flights.get(key) is flight:
                del self._flights[key]  # at once: nobody may join one that is over or given up
            if over and not flight.waiting:
                flight.task.cancel()


def _detached(work: Coroutine[Any, Any, RenderResult]) -> asyncio.Task[RenderResult]:
    """Outside the context of the request that happens to be the first: Serve cancels what belongs to it with it."""
    task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # all who waited may have left
    return task
