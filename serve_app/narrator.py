"""Tells how far a render is, and writes its speech file part by part, so that a listener need not wait for the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ParamSpec, TypeVar

from deployments.core.types import AudioClip, SpeechFormat, Take
from deployments.jobs.contract import Job, Progress, Report, result_ref
from deployments.media import speech_file
from deployments.media.recording import Recording
from deployments.media.speech_file import SpeechFile
from deployments.media.summary import clock

from .admission import Admission
from .result_store import ResultStore

Parameters = ParamSpec("Parameters")
ResultT = TypeVar("ResultT")
Turn = Callable[[], AbstractAsyncContextManager[object]]

_WAITING_S = 30.0
"""Well below any limit of a job without progress."""
_SPOKEN = 95
"""Progress once everything is spoken: joining and writing take the rest."""


def part_name(index: int, format: SpeechFormat) -> str:
    """File of a part of the speech, from 0 on: all of them one after the other are the whole."""
    return f"speech-{index:05d}.{format}"


class Narrator:
    """For one attempt of a job."""

    def __init__(self, job: Job, results: ResultStore) -> None:
        """
        Args:
            job: what is rendered.
            results: where parts go.
        """
        self._format = job.request.speech_format
        self._ref = result_ref(job.job_id, job.attempt)
        self._results = results
        self._said: asyncio.Queue[Report | None] = asyncio.Queue()
        self._reads = bool(job.request.audio)
        self._stage = "lipsync" if self._reads else "tts"
        self._computes = False
        self._progress = 0
        self._parts = 0
        self._spoken = self._encoded = 0
        self._file: SpeechFile | None = None

    async def reports(self) -> AsyncIterator[Report]:
        """What there is to tell, until the end. Who only waits for others says so: it must not pass for dead."""
        while True:
            try:
                async with asyncio.timeout(_WAITING_S):
                    report = await self._said.get()
            except TimeoutError:
                if not self._computes:
                    yield Progress(self._stage, 0, "Waiting for an equal render, or for a turn to compute.")
                elif self._reads:  # a piece of many minutes has a limit of its own
                    yield Progress(self._stage, self._progress, "The recording is being read.")
                continue
            if report is None:
                return
            yield report

    def end(self) -> None:
        """Nothing more is told."""
        self._said.put_nowait(None)

    def turn(self, admission: Admission) -> Turn:
        """The admission of the DAG, noted: from then on it computes."""

        @asynccontextmanager
        async def turn() -> AsyncIterator[None]:
            async with admission.turn():
                self._computes = True
                yield

        return turn

    def _tell(self, report: Report) -> None:
        self._said.put_nowait(report)

    def listen_to(self, recording: Recording) -> None:
        """Begins anew with a fresh recording: what is in a part already is not written twice."""
        self._spoken = 0
        self._recording = recording

    async def sentence(self, sound: AudioClip) -> None:
        """A further sentence is spoken, or a piece of a recording is read."""
        if self._reads:
            done_s, whole_s = self._recording.duration_s, self._recording.expected_s
            self._progress = int(_SPOKEN * done_s / whole_s)
            self._tell(Progress(self._stage, self._progress, f"{clock(done_s)} of {clock(whole_s)} is read."))
            return
        self._spoken += 1
        total = max(self._spoken, self._recording.sentences)
        self._progress = _SPOKEN * self._spoken // total
        if self._format and self._spoken > self._encoded:
            self._file = self._file or SpeechFile(self._format, sound.sample_rate)
            self._encoded = self._spoken
            await self._write(await asyncio.to_thread(self._file.append, sound), self._progress)
        elif total > 1:
            self._tell(Progress(self._stage, self._progress, f"Sentence {self._spoken} of {total} is spoken."))

    async def finish(self, take: Take) -> None:
        """The whole is there: all of it at once where it came from the cache."""
        if not self._format:
            return
        if self._file is None:
            await self._write(await asyncio.to_thread(speech_file.whole, self._format, take.animation.audio), _SPOKEN)
        else:
            await self._write(await asyncio.to_thread(self._file.finish), _SPOKEN)

    async def _write(self, content: bytes, progress: int) -> None:
        if not content or self._format is None:
            return
        await to_the_end(self._results.add, self._ref, part_name(self._parts, self._format), content)
        self._parts += 1
        self._tell(Progress("speech", progress, f"Part {self._parts} of the audio is there."))


async def to_the_end(
    work: Callable[Parameters, ResultT], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> ResultT:
    """Runs blocking work in a thread; cancelled, it still waits for its end: what it writes can be removed then."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
