"""TTS on Ray Serve: voices are multiplexed, a replica keeps the last few in memory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ray import serve

from deployments.core import engines
from deployments.core.errors import StageChanged
from deployments.core.keys import Node
from deployments.core.types import Speech
from deployments.stage import Stage

from .contract import Sentence, model_id

MAX_VOICES_PER_REPLICA = 3
"""A Piper voice takes about 150 MB once loaded: three stay well under a gigabyte."""


class TTS(Stage):
    """One sentence in, its Speech out."""

    # Serve awaits an async constructor (ray/serve/_private/replica.py), which mypy does not know of.
    async def __init__(  # type: ignore[misc]
        self, engine: str, options: Mapping[str, Any], release: str, timeout_s: float
    ) -> None:
        """
        Args:
            engine: name of a file in engines/.
            options: its Options.
            release: what it was built with.
            timeout_s: limit of one sentence in seconds.
        """
        super().__init__(engines.node("tts", engine, options), release, timeout_s)
        self._engine = engines.load("tts", engine, options)
        # Through the multiplexer, so that the router knows that this replica has the voice.
        default = self._engine.default_voice
        await self._voice(model_id(default, await self.prepare(self._engine.weights, default)))

    @serve.multiplexed(max_num_models_per_replica=MAX_VOICES_PER_REPLICA)  # type: ignore[untyped-decorator]
    async def _voice(self, wanted: str) -> Any:
        return await self.prepare(self._load, wanted)

    def _load(self, wanted: str) -> Any:
        voice_id = wanted.rpartition("@")[0]
        self._check_weights(voice_id, wanted)
        voice = self._engine.load(voice_id)
        self._check_weights(voice_id, wanted)  # cheap, unless they changed while they were read
        return voice

    def _check_weights(self, voice_id: str, wanted: str) -> None:
        """Nothing may be kept under the digest of other weights."""
        if model_id(voice_id, self._engine.weights(voice_id)) != wanted:
            raise StageChanged(f"the files of {voice_id} are not those that the caller knows: they have changed")

    async def speak(self, sentence: Sentence, node: Node) -> Speech:
        """Speaks one sentence.

        Args:
            sentence: what to say.
            node: what the caller thinks that runs here, with the weights of the voice; the caller sets
                multiplexed_model_id to that voice's model_id.
        """
        self.check_node(node)
        started = time.monotonic()
        voice = await self._voice(model_id(sentence.voice_id, node.weights))
        speech: Speech = await self.run(self._engine.speak, voice, sentence)
        self.log_done(started, f"spoke {len(sentence.text)} characters as {speech.audio.duration_s:.2f} s of audio")
        return speech
