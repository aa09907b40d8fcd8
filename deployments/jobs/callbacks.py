"""Who sent a callback_url is told how the job ended, at least once, also after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from deployments.core.tasks import detached

from .contract import Job

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
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, job: Job, done: Callable[[str, bool], Awaitable[object]]) -> None:
        """Starts to tell.

        Args:
            job: has ended, and has a callback_url.
            done: called with its ID when it is told (True), or given up.
        """
        # Not the job itself: it may have a long text, and a receiver that hangs is waited for.
        work = self._tell(job.job_id, job.callback_url or "", body(job), done)
        task = detached(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(
        self, job_id: str, url: str, content: Mapping[str, Any], done: Callable[[str, bool], Awaitable[object]]
    ) -> None:
        await done(job_id, await self._deliver(url, content))

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
