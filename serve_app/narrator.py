"""Tells how far a render is, and writes its speech file, or its video, part by part: nobody need wait for the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, ParamSpec, TypeVar

from deployments.cache.stores.filesystem import PART
from deployments.core.types import AudioClip, Take
from deployments.core.video import Footage
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
_DONE = 95
"""Progress once everything is spoken, and filmed: joining and writing take the rest."""
_SPOKEN_OF_VIDEO = 25
"""Progress once everything is spoken that is to be filmed: about a fifth of the time, on a CPU."""
_FIRST_PART_S = 0.25
"""Of a video, at least. Each further one is twice as long: it is made faster than it is watched."""
_LONGEST_PART_S = 8.0
_TELL_EVERY_S = 0.5

PartKind = Literal["speech", "video"]
"""What is written part by part; also the stage of the event that says so."""


def part_name(kind: PartKind, index: int) -> str:
    """File of a part of the speech or of the video, from 0 on: all of them one after the other are the whole."""
    return f"{kind}-{index:05d}{PART}"


class Narrator:
    """For one attempt of a job."""

    def __init__(self, job: Job, results: ResultStore) -> None:
        """
        Args:
            job: what is rendered.
            results: where parts go.
        """
        self._format, self._filming = job.request.speech_format, job.request.video
        self._spoken_share = _SPOKEN_OF_VIDEO if job.request.video else _DONE
        self._ref = result_ref(job.job_id, job.attempt)
        self._results = results
        self._said: asyncio.Queue[Report | None] = asyncio.Queue()
        self._reads = bool(job.request.audio)
        self._stage = "lipsync" if self._reads else "tts"
        self._computes = False
        self._progress = 0
        self._parts = 0
        self._spoken = self._encoded = self._filmed = self._noted = 0
        self._file: SpeechFile | None = None
        self._shown, self._pending, self._part_s, self._told_s = 0, b"", _FIRST_PART_S, 0.0

    async def reports(self) -> AsyncIterator[Report]:
        """What there is to tell, until the end. Who only waits for others says so: it must not pass for dead."""
        while True:
            try:
                async with asyncio.timeout(_WAITING_S):
                    report = await self._said.get()
            except TimeoutError:
                if not self._computes:
                    yield Progress(self._stage, 0, "Waiting for an equal render, or for a turn to compute.")
                elif self._waits_to_film:  # replicas that draw other videos may take minutes
                    yield Progress("avatar", self._progress, "Waiting for a turn to draw.")
                elif self._reads and self._stage == "lipsync":  # a piece of many minutes has a limit of its own
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
        self._spoken = self._filmed = 0
        self._recording = recording

    @property
    def _waits_to_film(self) -> bool:
        """All is spoken or read, and no frame is drawn yet."""
        if not self._filming or self._filmed:
            return False
        recording = self._recording
        is_read = recording.duration_s > recording.expected_s - 0.01  # sums of seconds round
        return is_read if self._reads else self._spoken >= recording.sentences

    async def sentence(self, sound: AudioClip) -> None:
        """A further sentence is spoken, or a piece of a recording is read."""
        if self._reads:
            done_s, whole_s = self._recording.duration_s, self._recording.expected_s
            self._progress = int(self._spoken_share * done_s / whole_s)
            self._tell(Progress(self._stage, self._progress, f"{clock(done_s)} of {clock(whole_s)} is read."))
            return
        self._spoken += 1
        total = max(self._spoken, self._recording.sentences)
        self._progress = self._spoken_share * self._spoken // total
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
            await self._write(await asyncio.to_thread(speech_file.whole, self._format, take.animation.audio), _DONE)
        else:
            await self._write(await asyncio.to_thread(self._file.finish), _DONE)

    async def footage(self, part: Footage) -> None:
        """Further frames are drawn."""
        assert self._filming
        self._filmed += 1
        if self._filmed <= self._noted:  # made once more, the same: see listen_to
            return
        self._noted = self._filmed
        self._stage = "avatar"
        self._progress = self._spoken_share + (_DONE - self._spoken_share) * part.done // part.frames
        self._pending += part.fragment
        waiting_s = (part.done - self._shown) / self._filming.fps
        message = f"Frame {part.done} of {part.frames} is drawn."
        if self._pending and (waiting_s >= self._part_s or part.done == part.frames):
            content, self._pending, self._shown = self._pending, b"", part.done
            self._part_s = min(_LONGEST_PART_S, 2 * self._part_s)
            await self._put("video", content, message)
        elif time.monotonic() > self._told_s + _TELL_EVERY_S:
            self._tell(Progress("avatar", self._progress, message))
            self._told_s = time.monotonic()

    async def _write(self, content: bytes, progress: int) -> None:
        if content and self._format:
            self._progress = progress
            await self._put("speech", content, f"Part {self._parts + 1} of the audio is there.")

    async def _put(self, kind: PartKind, content: bytes, message: str) -> None:
        await to_the_end(self._results.add, self._ref, part_name(kind, self._parts), content)
        self._parts += 1
        self._tell(Progress(kind, self._progress, message))


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
