"""What every voice conversion engine is: `load` a model once, then `convert` sentences with it, several at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from deployments.core.types import AudioClip

ModelT = TypeVar("ModelT")
ModelT_contra = TypeVar("ModelT_contra", contravariant=True)


@dataclass(frozen=True)
class Conversion:
    """How a voice is to become another one: strings alone, hashable."""

    engine: str
    """Name of a file in engines/."""
    model: str
    """File in the models folder ("Ara.pth"); "" for an engine without weights."""
    parameters: str = "{}"
    """JSON of the engine's `Parameters`, canonical: what is left out has its default."""


@dataclass(frozen=True, eq=False)
class Part(Generic[ModelT]):
    """One sentence of a batch."""

    audio: AudioClip
    model: ModelT
    parameters: str
    """As in Conversion."""


class Engine(Protocol[ModelT]):
    """A way of converting. One file in engines/ holds one, beside its closed pydantic `Options` and `Parameters`.

    `Options` say where and how it runs and are set by the operator; `Parameters` come with a request.
    """

    version: ClassVar[str]
    """Another whenever the same sentence would sound otherwise: old results are not used any more then."""
    example: ClassVar[AudioClip]
    """A sound that warms the engine up."""

    def load(self, model: str) -> ModelT:
        """Read a model into memory.

        Raises:
            UnknownVoice, BadModel
        """

    def weights(self, model: str) -> str:
        """Digest of all files that `load` and `convert` read; "" for none.

        Raises:
            UnknownVoice
        """

    def size_bytes(self, model: ModelT) -> int:
        """Memory that it takes on the device."""

    def convert(self, parts: Sequence[Part[ModelT]]) -> list[AudioClip]:
        """Convert sentences, of any models and lengths, together.

        Each clip is as long as its input: round(samples * new rate / old rate) samples.

        Raises:
            BadInput: a parameter that this model does not take.
        """
