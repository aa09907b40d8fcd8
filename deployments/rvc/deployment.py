"""RVC on Ray Serve: voice models are multiplexed by the memory that they take, sentences converted in batches."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ray import serve

from deployments.core import engines
from deployments.core.errors import AvatarError, StageChanged
from deployments.core.types import AudioClip, Conversion, Speech
from deployments.stage import Stage, logger

from .contract import Part, model_id
from .folder import ModelFolder
from .loaded import Loaded

_KNOWN = 256
"""Models that the router is told of at most. Which of them are in memory is another matter: `Loaded` knows."""


@dataclass(frozen=True, eq=False)
class _Item:
    audio: AudioClip
    conversion: Conversion
    weights: str


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
            timeout_s: limit of one batch in seconds.
        """
        super().__init__(engines.combined("rvc", choices), release, timeout_s)
        self._choices = choices
        self._folder = ModelFolder(models_folder)
        self._engines: dict[str, Any] = {}
        self._models: Loaded[Any] = Loaded(round(memory_mb * 1e6))
        batched: Any = self._batched  # what serve.batch adds to it is not in its type
        batched.set_max_batch_size(batch_size)
        batched.set_batch_wait_timeout_s(batch_wait_s)
        for name in choices:
            # An engine that has nothing to convert with is not even imported: torch takes 300 MB.
            if models := self._folder.models_of(name):
                await self.prepare(self._warm_up, Conversion(name, models[0], engines.parameters("rvc", name, {})))

    def _warm_up(self, conversion: Conversion) -> None:
        """What a first request would wait for; a model that is broken is the affair of those who ask for it."""
        engine = self._engine(conversion.engine)
        try:
            loaded = self._load(conversion, self._folder.weights(conversion))
            engine.convert([Part(engine.example, loaded, conversion.parameters)])
        except AvatarError as error:
            logger.warning("warming up with %s: %s", conversion.model, error)

    @serve.multiplexed(max_num_models_per_replica=_KNOWN)  # type: ignore[untyped-decorator]
    async def _announce(self, wanted: str) -> str:
        """Tells the router that this replica has the model, or is about to."""
        return wanted

    async def convert(self, speech: Speech, conversion: Conversion, node: Any) -> Speech:
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
        audio: AudioClip | AvatarError = await self._batched(_Item(speech.audio, conversion, node.weights))
        if isinstance(audio, AvatarError):
            raise audio
        self.log_done(started, f"converted {audio.duration_s:.2f} s with {conversion.model or conversion.engine}")
        return replace(speech, audio=audio)

    @serve.batch
    async def _batched(self, items: Sequence[_Item]) -> list[AudioClip | AvatarError]:
        return await self.run(self._convert, items)

    def _convert(self, items: Sequence[_Item]) -> list[AudioClip | AvatarError]:
        """Engine by engine; what is wrong with one item is no fault of the others."""
        done: dict[int, AudioClip | AvatarError] = {}
        for name in {item.conversion.engine for item in items}:
            parts: dict[int, Part[Any]] = {}
            for place, item in enumerate(items):
                if item.conversion.engine == name:
                    try:
                        parts[place] = self._part(item)
                    except AvatarError as error:
                        done[place] = error
            clips = self._engine(name).convert(list(parts.values())) if parts else []
            done.update(zip(parts, clips, strict=True))
        return [done[place] for place in range(len(items))]

    def _part(self, item: _Item) -> Part[Any]:
        model = self._load(item.conversion, item.weights)
        part = Part(item.audio, model, item.conversion.parameters)
        self._engine(item.conversion.engine).check(part)
        return part

    def _load(self, conversion: Conversion, weights: str) -> Any:
        engine = self._engine(conversion.engine)

        def load() -> tuple[Any, int]:
            self._check_weights(conversion, weights)
            model = engine.load(conversion.model)
            self._check_weights(conversion, weights)  # cheap, unless they changed while they were read
            return model, engine.size_bytes(model)

        return self._models.get(f"{conversion.engine} {model_id(conversion, weights)}", load)

    def _check_weights(self, conversion: Conversion, weights: str) -> None:
        """Nothing may be kept under the digest of other weights."""
        if self._folder.weights(conversion) != weights:
            raise StageChanged(f"the files of {conversion.model} are not those that the caller knows")

    def _engine(self, name: str) -> Any:
        """Made when it is first needed where nothing was installed for it at the start."""
        if name not in self._choices:
            raise StageChanged(f"rvc: asked for the engine {name!r}, there are {json.dumps(list(self._choices))}")
        if name not in self._engines:
            self._engines[name] = engines.load("rvc", name, self._choices[name])
        return self._engines[name]
