"""The other end of narrator.py: the parts of a speech file, as soon as they are there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from deployments.core.errors import TimedOut, Unavailable
from deployments.core.types import SpeechFormat
from deployments.jobs.client import Client
from deployments.jobs.contract import Job, result_ref
from deployments.jobs.line import Update, raise_if_failed

from .narrator import part_name
from .result_store import ResultStore


async def audio_parts(jobs: Client, results: ResultStore, job: Job, timeout_s: float) -> AsyncGenerator[bytes, None]:
    """The bytes of a job's speech file, part by part, until the job has ended.

    Args:
        jobs: tell of the parts.
        results: have them.
        job: has a speech_format.
        timeout_s: seconds to wait for any news.

    Raises:
        TimedOut: there was none.
        Unavailable: something died after the first part. What another attempt makes is another file.
        AvatarError: as the job failed.
    """
    assert job.request.speech_format is not None
    sent = made = 0
    async with contextlib.aclosing(jobs.watch(job.job_id, 0)) as updates:
        while update := await _next(updates, timeout_s):
            for event in update.events:
                made = 0 if event.stage == "queue" else made + (event.stage == "speech")
            if sent and any(event.stage == "queue" for event in update.events):
                raise Unavailable("the attempt whose audio was sent is lost", hint="Send the request again.")
            while sent < made:
                ref = result_ref(job.job_id, update.attempt)
                yield await asyncio.to_thread(_part, results, ref, sent, job.request.speech_format)
                sent += 1
            if update.job:
                raise_if_failed(update.job)
                return


async def _next(updates: AsyncGenerator[Update, None], timeout_s: float) -> Update | None:
    try:
        async with asyncio.timeout(timeout_s):  # wait_for loses a cancellation that meets an update
            return await anext(updates)
    except StopAsyncIteration:
        return None
    except TimeoutError:
        raise TimedOut(f"no audio for {timeout_s:g} s", hint="Try again, or send a shorter text.") from None


def _part(results: ResultStore, ref: str, index: int, format: SpeechFormat) -> bytes:
    file = results.find_in(ref, part_name(index, format))
    return b"".join(file.read(0, file.size_bytes))
