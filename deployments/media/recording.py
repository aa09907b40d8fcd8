"""Takes finished sentences in and gives the finished render out: animation, audio files, captions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.keys import Node
from deployments.core.types import Animation, AudioClip, Speech, Take, Timing, VisemeTrack

from .encoding import EncodingError, OpusFile
from .eyes import EyeOptions, eye_track
from .join import Pauses, Timeline
from .mouth import MouthOptions, natural

logger = logging.getLogger("ray.serve")


class MediaOptions(BaseModel):
    """Settings of what happens at the join."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sentence_pause_ms: float = Field(default=150, ge=0, le=5000)
    """Silence between sentences, on top of about 200 ms that the voices leave."""
    paragraph_pause_ms: float = Field(default=400, ge=0, le=5000)
    """Silence at a line break."""
    mouth: MouthOptions = MouthOptions()
    eyes: EyeOptions = EyeOptions()


VERSION = f"1, av {version('av')}"
"""Another whenever the same sentences would be joined in another way, or encoded by another FFmpeg."""


def node(options: MediaOptions) -> Node:
    """What joins, for the keys of finished renders."""
    return Node("join", "media", VERSION, options.model_dump_json())


class Recording:
    """Grows in the order of the text; encodes while later sentences are still being spoken."""

    def __init__(
        self, options: MediaOptions, timing: Timing, on_sentence: Callable[[AudioClip], Awaitable[object]] | None = None
    ) -> None:
        """
        Args:
            options: pauses, mouth and eyes.
            timing: natural or exact.
            on_sentence: awaited after each sentence with its sound and the pause before it.
        """
        self._options = options
        self._timing = timing
        self._on_sentence = on_sentence
        self._timeline = Timeline(Pauses(options.sentence_pause_ms / 1000, options.paragraph_pause_ms / 1000))
        self._opus: OpusFile | None = None
        self._encodes = True
        self.sentences = 0
        """How many there are or will be; 0 until that is known."""

    @property
    def duration_s(self) -> float:
        """Seconds so far."""
        return self._timeline.duration_s

    async def add(self, start_char: int, ends_paragraph: bool, speech: Speech, track: VisemeTrack) -> None:
        """Appends the next sentence; arguments as for Timeline.add."""
        sound = self._timeline.add(speech, track, start_char, ends_paragraph)
        await asyncio.to_thread(self._encode, sound)
        if self._on_sentence:
            await self._on_sentence(sound)

    async def finish(self) -> Take:
        """Everything that crosses sentences, computed once over the whole timeline."""
        return await asyncio.to_thread(self._finish)

    def _finish(self) -> Take:
        timeline = self._timeline
        exact = timeline.visemes
        eyes = eye_track(exact, timeline.words, self._options.eyes)
        shapes = natural(exact, self._options.mouth) if self._timing == "natural" else exact
        animation = Animation(timeline.audio, shapes, eyes, timeline.words)
        return Take(animation, self._closed())

    def _encode(self, sound: AudioClip) -> None:
        if not self._encodes or len(sound.samples) == 0:
            return
        try:
            self._opus = self._opus or OpusFile(sound.sample_rate)
            self._opus.append(sound)
        except EncodingError as error:
            self._give_up(error)

    def _closed(self) -> bytes | None:
        if not self._encodes or self._opus is None:
            return None
        try:
            return self._opus.finish()
        except EncodingError as error:
            self._give_up(error)
            return None

    def _give_up(self, error: EncodingError) -> None:
        logger.warning("Opus encoding failed, the render has WAV only: %s", error)
        self._encodes = False
