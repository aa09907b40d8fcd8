"""RVC on Ray Serve: voice models are multiplexed, sentences of different requests converted in batches."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray import serve

from deployments.core import engines
from deployments.core.errors import AvatarError
from deployments.core.keys import Node
from deployments.core.types import AudioClip, Conversion, Speech
from deployments.stage import Stage

from .contract import model_id
from .converter import Converter, Item
from .folder import ModelFolder

_SENTENCE_S = 10.0
"""Seconds of sound that the limit of a call is for; more sound has more time."""
_LOADING = 6.0
"""Times that limit, for loading: importing torch takes 3 s, and 20 on a machine that is busy."""
_KNOWN = 256
"""Models that the router is told of at most. Which of them are in memory is another matter: `Loaded` knows."""


class RVC(Stage):
    """One Speech in, the same Speech in another voice out."""

    # Serve awaits an async constructor (ray/serve/_private/replica.py), which mypy does not know of.
    async def __init__(  # type: ignore[misc]
        self,
        choices: Mapping[str, Mapping[str, Any]],
        models_folder: Path,
        memory_mb: float,
        batch_size: int,
        batch_wait_s: float,
        release: str,
        timeout_s: float,
    ) -> None:
        """
        Args:
            choices: engine -> its Options.
            models_folder: where voice models are.
            memory_mb: of all loaded models.
            batch_size: sentences at a time at most.
            batch_wait_s: how long the first of a batch waits for others.
            release: what it was built with.
            timeout_s: limit of one sentence in seconds.
        """
        super().__init__(engines.combined("rvc", choices), release, timeout_s)
        folder = ModelFolder(models_folder)
        self._converter = Converter(choices, folder, round(memory_mb * 1e6))
        batched: Any = self._batched  # what serve.batch adds to it is not in its type
        batched.set_max_batch_size(batch_size)
        batched.set_batch_wait_timeout_s(batch_wait_s)
        for name in choices:
            if models := folder.models_of(name):
                first = Conversion(name, models[0], engines.parameters("rvc", name, {}))
                await self.prepare(self._converter.warm_up, first, times=_LOADING)

    @serve.multiplexed(max_num_models_per_replica=_KNOWN)  # type: ignore[untyped-decorator]
    async def _announce(self, wanted: str) -> str:
        """Tells the router that this replica has the model, or is about to."""
        return wanted

    async def convert(self, speech: Speech, conversion: Conversion, node: Node) -> Speech:
        """Converts one sentence; phonemes and words stay where they are.

        Args:
            speech: of any voice.
            conversion: into which, and how.
            node: what the caller thinks that runs here, with the weights of the model; the caller sets
                multiplexed_model_id to its model_id.
        """
        self.check_node(node)
        started = time.monotonic()
        if conversion.model:
            await self._announce(model_id(conversion, node.weights))
        await self.prepare(self._converter.load, conversion, node.weights, times=_LOADING)
        audio: AudioClip | AvatarError = await self._batched(Item(speech.audio, conversion, node.weights))
        if isinstance(audio, AvatarError):
            raise audio
        self.log_done(started, f"converted {audio.duration_s:.2f} s with {conversion.model or conversion.engine}")
        return replace(speech, audio=audio)

    @serve.batch
    async def _batched(self, items: Sequence[Item]) -> list[AudioClip | AvatarError]:
        seconds = sum(item.audio.duration_s for item in items)
        return await self.run(self._converter.convert, items, times=max(1.0, seconds / _SENTENCE_S))
