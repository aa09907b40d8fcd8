"""Who sent a callback_url is told how the job ended, at least once, also after a restart."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .contract import Job

_AT_ONCE = 32
"""Deliveries: a receiver that hangs holds one for a minute at most, and must not hold up all others."""

Deliver = Callable[[str, Mapping[str, Any]], Awaitable[bool]]
"""Sends a body to an address, with as many tries as it takes; False: given up."""


class Callbacks:
    """Tells of ended jobs."""

    def __init__(self, deliver: Deliver) -> None:
        """
        Args:
            deliver: see Webhooks.deliver.
        """
        self._deliver = deliver
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, job: Job, done: Callable[[Job], object]) -> None:
        """Starts to tell.

        Args:
            job: has ended, and has a callback_url.
            done: called when it is told, or given up.
        """
        task = asyncio.get_running_loop().create_task(self._tell(job, done), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, job: Job, done: Callable[[Job], object]) -> None:
        async with self._places:
            await self._deliver(job.callback_url or "", body(job))
        done(job)

    async def stop(self) -> None:
        """Gives up on all for now: who leads next begins anew."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def body(job: Job) -> dict[str, Any]:
    """What the receiver reads."""
    error = job.error
    return {
        "event": f"job.{job.state}",
        "job_id": job.job_id,
        "render_id": job.job_id,
        "status": job.state,
        "poll_path": f"/v1/avatar/render/{job.job_id}",
        "duration_ms": job.result.duration_ms if job.result else None,
        "error": {"code": error.code, "message": error.message, "hint": error.hint} if error else None,
        "created_at": job.created_s,
        "ended_at": job.ended_s,
    }
