"""Takes finished sentences, or pieces of a recording, in; gives the finished render out: animation, audio file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict, Field

from deployments.core.keys import Node
from deployments.core.types import Animation, AudioClip, Reading, Speech, Take, Timing

from .encoding import EncodingError, OpusFile
from .eyes import EyeOptions, eye_track
from .join import Pauses, Timeline
from .mouth import MouthOptions, natural
from .summary import Summary

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


VERSION = f"2, av {version('av')}"
"""Another whenever the same sentences would be joined in another way, or encoded by another FFmpeg."""


def node(options: MediaOptions) -> Node:
    """What joins, for the keys of finished renders."""
    return Node("join", "media", VERSION, options.model_dump_json())


class Recording:
    """Grows in the order of the text; encodes while later sentences are still being spoken."""

    def __init__(
        self,
        options: MediaOptions,
        timing: Timing,
        on_sentence: Callable[[AudioClip], Awaitable[object]] | None = None,
        recorded: bool = False,
    ) -> None:
        """
        Args:
            options: pauses, mouth and eyes.
            timing: natural or exact.
            on_sentence: awaited after each sentence or piece with its sound and the pause before it.
            recorded: pieces of one recording come: nothing is put between them, and their sound is not kept.
        """
        self._options = options
        self._timing = timing
        self._on_sentence = on_sentence
        pauses = Pauses(options.sentence_pause_ms / 1000, options.paragraph_pause_ms / 1000)
        self._timeline = Timeline(Pauses(0, 0) if recorded else pauses, keeps_sound=not recorded)
        self._summary = Summary()
        self._heard = ""
        self._opus: OpusFile | None = None
        self._encodes = True
        self.sentences = 0
        """How many there are or will be; 0 until that is known."""
        self.expected_s = 0.0
        """Seconds of the whole recording; 0 until that is known, and where a voice speaks."""

    @property
    def duration_s(self) -> float:
        """Seconds so far."""
        return self._timeline.duration_s

    async def add(
        self, start_char: int, ends_paragraph: bool, speech: Speech, reading: Reading, engine: str = "phonemes"
    ) -> None:
        """Appends the next sentence; its words are those of the speech.

        Args:
            start_char, ends_paragraph, speech: as for Timeline.add.
            reading: of the speech.
            engine: that made it.
        """
        self._summary.add(engine, reading, self.duration_s)
        sound = self._timeline.add(speech, reading.visemes, start_char, ends_paragraph)
        await asyncio.to_thread(self._encode, sound)
        if self._on_sentence:
            await self._on_sentence(sound)

    async def add_piece(self, speech: Speech, reading: Reading, engine: str) -> None:
        """Appends the next piece of a recording; its words are those that were heard.

        Args:
            speech: the piece.
            reading: of the piece.
            engine: that made it.
        """
        self._heard += " " if self._heard and reading.text else ""
        start_char = len(self._heard)
        self._heard += reading.text
        await self.add(start_char, False, replace(speech, words=reading.words), reading, engine)

    def note(self, text: str) -> None:
        """A sentence for the user."""
        self._summary.note(text)

    async def finish(self, text: str | None = None) -> Take:
        """Everything that crosses sentences, computed once over the whole timeline.

        Args:
            text: what was said; None: what was heard.
        """
        return await asyncio.to_thread(self._finish, self._heard if text is None else text)

    def _finish(self, text: str) -> Take:
        timeline = self._timeline
        exact = timeline.visemes
        eyes = eye_track(exact, timeline.words, self._options.eyes)
        shapes = natural(exact, self._options.mouth) if self._timing == "natural" else exact
        animation = Animation(timeline.audio, shapes, eyes, timeline.words)
        return Take(animation, self._closed(), text, self._summary.whole())

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
