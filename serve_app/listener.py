"""The other end of narrator.py: the parts of a speech file, or of a video, as soon as they are there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from deployments.core.errors import TimedOut, Unavailable
from deployments.jobs.client import Client
from deployments.jobs.contract import Job, result_ref
from deployments.jobs.line import Update, raise_if_failed

from .narrator import PartKind, part_name
from .result_store import ResultStore


async def parts_of(
    kind: PartKind, jobs: Client, results: ResultStore, job: Job, timeout_s: float
) -> AsyncGenerator[bytes, None]:
    """The bytes of a job's speech file or video, part by part, until the job has ended.

    Args:
        kind: which of the two.
        jobs: tell of the parts.
        results: have them.
        job: has a speech_format, or a video.
        timeout_s: seconds to wait for any news.

    Raises:
        TimedOut: there was none.
        Unavailable: something died after the first part. What another attempt makes is another file.
        AvatarError: as the job failed.
    """
    sent = made = 0
    async with contextlib.aclosing(jobs.watch(job.job_id, 0)) as updates:
        while update := await _next(updates, timeout_s):
            for event in update.events:
                made = 0 if event.stage == "queue" else made + (event.stage == kind)
            if sent and any(event.stage == "queue" for event in update.events):
                raise Unavailable(f"the attempt whose {kind} was sent is lost", hint="Send the request again.")
            if update.job:
                raise_if_failed(update.job)  # its parts are gone
            while sent < made:
                ref = result_ref(job.job_id, update.attempt)
                yield await asyncio.to_thread(_part, results, ref, kind, sent)
                sent += 1
            if update.job:
                return


async def _next(updates: AsyncGenerator[Update, None], timeout_s: float) -> Update | None:
    try:
        async with asyncio.timeout(timeout_s):  # wait_for loses a cancellation that meets an update
            return await anext(updates)
    except StopAsyncIteration:
        return None
    except TimeoutError:
        raise TimedOut(f"no news for {timeout_s:g} s", hint="Try again, or send a shorter text.") from None


def _part(results: ResultStore, ref: str, kind: PartKind, index: int) -> bytes:
    file = results.find_in(ref, part_name(kind, index))
    return b"".join(file.read(0, file.size_bytes))
