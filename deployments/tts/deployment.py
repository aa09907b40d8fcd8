"""TTS on Ray Serve: voices are multiplexed, a replica keeps the last few in memory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ray import serve

from deployments.core import engines
from deployments.core.types import Speech
from deployments.stage import Stage

from .contract import Sentence

MAX_VOICES_PER_REPLICA = 3
"""A Piper voice takes about 150 MB once loaded: three stay well under a gigabyte."""


class TTS(Stage):
    """One sentence in, its Speech out."""

    # Serve awaits an async constructor (ray/serve/_private/replica.py), which mypy does not know of.
    async def __init__(  # type: ignore[misc]
        self, engine: str, options: Mapping[str, Any], timeout_s: float
    ) -> None:
        """
        Args:
            engine: name of a file in engines/.
            options: its Options.
            timeout_s: limit of one sentence in seconds.
        """
        super().__init__("tts", timeout_s)
        self._engine = engines.load("tts", engine, options)
        # Through the multiplexer, so that the router knows that this replica has the voice.
        await self._voice(self._engine.default_voice)

    @serve.multiplexed(max_num_models_per_replica=MAX_VOICES_PER_REPLICA)  # type: ignore[untyped-decorator]
    async def _voice(self, voice_id: str) -> Any:
        return await self.run(self._engine.load, voice_id)

    async def speak(self, sentence: Sentence) -> Speech:
        """Speaks one sentence; the caller sets multiplexed_model_id to its voice."""
        started = time.monotonic()
        voice = await self._voice(sentence.voice_id)
        speech: Speech = await self.run(self._engine.speak, voice, sentence)
        self.log_done(started, f"spoke {len(sentence.text)} characters as {speech.audio.duration_s:.2f} s of audio")
        return speech
