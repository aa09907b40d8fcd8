"""The work of a replica without Ray: engines, models in memory, and batches of sentences."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployments.core import engines
from deployments.core.errors import AvatarError, StageChanged, SynthesisFailed
from deployments.core.types import AudioClip, Conversion
from deployments.loaded import Loaded

from .contract import Part, model_id
from .folder import ModelFolder

logger = logging.getLogger("ray.serve")


@dataclass(frozen=True, eq=False)
class Item:
    """One sentence of a batch."""

    audio: AudioClip
    conversion: Conversion
    weights: str
    """Digest that the caller has of the model's files."""


class Converter:
    """Blocking, and for one thread at a time."""

    def __init__(self, choices: Mapping[str, Mapping[str, Any]], folder: ModelFolder, memory_bytes: int) -> None:
        """
        Args:
            choices: engine -> its Options. None is loaded yet.
            folder: where models are.
            memory_bytes: of all models in memory.
        """
        self._choices = choices
        self._folder = folder
        self._engines: dict[str, Any] = {}
        self._models: Loaded[Any] = Loaded(memory_bytes)
        self._shared_state = folder.shared_state()

    def warm_up(self, conversion: Conversion) -> None:
        """What a first request would wait for; a model that is broken is the affair of those who ask for it."""
        try:
            engine = self._engine(conversion.engine)
            (clip,) = self.convert([Item(engine.example, conversion, self._folder.weights(conversion))])
            if isinstance(clip, AvatarError):
                raise clip
        except Exception:  # whatever a file can do: all other voices are to speak
            logger.exception("warming up with %s failed", conversion.model or conversion.engine)

    def load(self, conversion: Conversion, weights: str) -> Any:
        """A model, from memory where it is there.

        Raises:
            StageChanged: its files are others than the caller thinks.
            AvatarError: as the engine's `load`.
        """
        engine = self._engine(conversion.engine)

        def load() -> tuple[Any, int]:
            self._check_weights(conversion, weights)
            model = engine.load(conversion.model)
            self._check_weights(conversion, weights)  # cheap, unless they changed while they were read
            return model, engine.size_bytes(model)

        return self._models.get(f"{conversion.engine} {model_id(conversion, weights)}", load)

    def convert(self, items: Sequence[Item]) -> list[AudioClip | AvatarError]:
        """Together where that goes well, else one by one: what is wrong with one is no fault of the others."""
        if len({item.conversion.engine for item in items}) == 1:
            with contextlib.suppress(Exception):
                return self._convert(items)
        return [self._convert_one(item) for item in items]

    def _convert_one(self, item: Item) -> AudioClip | AvatarError:
        try:
            return self._convert([item])[0]
        except AvatarError as error:
            return error
        except Exception as error:  # out of memory, or a model that computes nonsense
            logger.exception("converting with %s failed", item.conversion.model or item.conversion.engine)
            return SynthesisFailed(f"{item.conversion.model}: {type(error).__name__}: {error}")

    def _convert(self, items: Sequence[Item]) -> list[AudioClip | AvatarError]:
        engine = self._engine(items[0].conversion.engine)
        parts = [
            Part(item.audio, self.load(item.conversion, item.weights), item.conversion.parameters) for item in items
        ]
        for part in parts:
            engine.check(part)
        clips: list[AudioClip | AvatarError] = engine.convert(parts)
        return clips

    def _check_weights(self, conversion: Conversion, weights: str) -> None:
        """Nothing may be kept under the digest of other weights."""
        if self._folder.weights(conversion) != weights:
            raise StageChanged(f"the files of {conversion.model} are not those that the caller knows")

    def _engine(self, name: str) -> Any:
        """Made when it is first needed: torch takes 300 MB, for nothing where no model is installed."""
        if name not in self._choices:
            raise StageChanged(f"rvc: asked for the engine {name!r}, there are {', '.join(self._choices)}")
        state = self._folder.shared_state()
        if state != self._shared_state:  # ContentVec or RMVPE are others now: engines keep them
            self._shared_state = state
            self._engines.clear()
            self._models.clear()
        if name not in self._engines:
            self._engines[name] = engines.load("rvc", name, self._choices[name])
        return self._engines[name]
