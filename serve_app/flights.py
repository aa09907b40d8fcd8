"""Equal requests at the same time are one render."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from deployments.core.errors import AvatarError, StillRunning
from deployments.core.tasks import detached

from .results import RenderResult

_FAILURES = 3
"""A replica may be lost, and lost again while it is replaced; no more than that is bad luck."""


@dataclass
class Flight:
    """A render that one or more requests wait for."""

    render_id: str
    """Under which it can be asked for later. Who renders corrects it where the work turns out to be another job's."""
    waiting: int = 0
    goes_on: bool = False
    """Somebody was told to ask for it later: it is not given up when nobody waits."""


Render = Callable[[Flight], Coroutine[Any, Any, RenderResult]]
"""Renders. What it returns runs outside of the request's context; cancelled, it gives the work up."""
Task = asyncio.Future[RenderResult]


class Flights:
    """Renders on their way, by what is asked for."""

    def __init__(self) -> None:
        self._flights: dict[str, tuple[Flight, Task]] = {}

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
            leads = key not in self._flights
            if leads:
                self._start(key, Flight(new_id()), render)
            try:
                return await self._wait(key, *self._flights[key], give_up_at), leads
            except StillRunning:
                raise
            except Exception as error:
                failures += 1
                if leads or failures == _FAILURES or (isinstance(error, AvatarError) and error.status < 500):
                    raise

    def _start(self, key: str, flight: Flight, render: Render) -> None:
        task = detached(render(flight))
        self._flights[key] = flight, task

        def forget(done: Task) -> None:
            _ = done.cancelled() or done.exception()  # all who waited may have left
            self._drop(key, flight)

        task.add_done_callback(forget)

    def _drop(self, key: str, flight: Flight) -> None:
        """Nobody may join a flight that is over or given up."""
        if key in self._flights and self._flights[key][0] is flight:
            del self._flights[key]

    async def _wait(self, key: str, flight: Flight, task: Task, give_up_at: float) -> RenderResult:
        flight.waiting += 1
        try:
            left_s = max(0.0, give_up_at - asyncio.get_running_loop().time())
            await asyncio.wait([task], timeout=left_s)
            if not task.done():
                flight.goes_on = True
                raise StillRunning(
                    "The render takes longer than a client may wait; it goes on.",
                    hint="Ask for it at poll_url. For long texts use /v1/avatar/render_async.",
                    render_id=flight.render_id,
                )
            return task.result()
        finally:
            flight.waiting -= 1
            if task.done():
                self._drop(key, flight)
            elif not (flight.waiting or flight.goes_on):
                self._drop(key, flight)  # at once, before it has noticed
                task.cancel()
