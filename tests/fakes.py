"""Stages that follow a script: delays and failures that real engines do not give on demand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import numpy as np

from deployments.core.keys import Node
from deployments.core.types import AudioClip, PhonemeSpan, Reading, Speech, Take, VisemeTrack
from deployments.core.video import Filming, Video
from deployments.core.visemes import INDEX
from deployments.media import recording
from deployments.media.recording import MediaOptions
from deployments.tts.contract import Sentence
from serve_app.pipeline import Pending, Stages, Step

RATE = 8000


@dataclass
class Theatre:
    """Speaks 0.1 s for every word, after what the script says of the sentence."""

    script: Callable[[str], Awaitable[None]]
    """Awaited with the sentence's text before it is spoken; may wait or raise."""
    started: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    at_work: int = 0
    most_at_work: int = 0

    def stages(self, in_flight: int) -> Stages:
        """The DAG's stages."""
        return Stages(
            tts=Step(Node("tts", "theatre", "1", "{}"), lambda sentence: asyncio.ensure_future(self._speak(sentence))),
            lipsync=Step(Node("lipsync", "theatre", "1", "{}"), _read),
            join=recording.node(MediaOptions()),
            admission=contextlib.nullcontext,
            in_flight=in_flight,
        )

    async def _speak(self, sentence: Sentence) -> Speech:
        self.started.append(sentence.text)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await self.script(sentence.text)
        except asyncio.CancelledError:
            self.cancelled.append(sentence.text)
            raise
        finally:
            self.at_work -= 1
        self.finished.append(sentence.text)
        seconds = 0.1 * len([word for word in sentence.text.split() if word.strip(".!?")])
        clip = AudioClip(np.full(round(seconds * RATE), 0.1, np.float32), RATE)
        return Speech(clip, (PhonemeSpan("a", 0.0, seconds),), (), sentence.text, "en_US")


def _read(speech: Pending[Speech] | Speech, _engine: str) -> Pending[Reading]:
    return asyncio.ensure_future(_shapes(speech))


async def _shapes(speech: Pending[Speech] | Speech) -> Reading:
    spoken = speech if isinstance(speech, Speech) else await speech
    visemes = np.array([INDEX["AA"]], np.uint8)
    track = VisemeTrack(np.zeros(1), visemes, np.ones(1, np.float32), spoken.audio.duration_s)
    return Reading(track, spoken.words, spoken.text, "theatre", 1.0, ())


async def at_once(_text: str) -> None:
    """A script without delay."""


@dataclass
class Cinema:
    """Films what a Theatre says: no picture, but as many frames as there would be."""

    seconds: float = 0.0
    """That it takes."""
    fails: Exception | None = None
    asked: list[tuple[Filming, str, str]] = field(default_factory=list)
    """How, the name of the recording, captions."""
    given_up: int = 0
    began: asyncio.Event = field(default_factory=asyncio.Event)

    def shows(self, stages: Stages) -> Stages:
        """The same DAG, and this behind it."""
        node = Node("avatar", "cinema", "1", "{}", kind="video")
        return replace(stages, avatar=Step(node, lambda *inputs: asyncio.ensure_future(self._film(*inputs))))

    async def _film(self, take: Awaitable[Take] | Take, filming: Filming, audio: str, captions: str) -> Video:
        shown = take if isinstance(take, Take) else await take
        self.asked.append((filming, audio, captions))
        self.began.set()
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.fails:
            raise self.fails
        frames = round(shown.animation.duration_s * filming.fps)
        return Video(b"mp4", b"jpg", filming.width, filming.height, filming.fps, frames, 0.0)
