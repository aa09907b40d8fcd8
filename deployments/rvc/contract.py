"""What every voice conversion engine is: `load` a model once, then `convert` sentences with it, several at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from deployments.core.types import AudioClip, Conversion

ModelT = TypeVar("ModelT")
ModelT_contra = TypeVar("ModelT_contra", contravariant=True)


def model_id(conversion: Conversion, weights: str) -> str:
    """What a replica keeps a model in memory under: with new files it is another one."""
    return f"{conversion.model}@{weights}"


@dataclass(frozen=True, eq=False)
class Part(Generic[ModelT]):
    """One sentence of a batch."""

    audio: AudioClip
    model: ModelT
    parameters: str = "{}"
    """As in Conversion."""


class Engine(Protocol[ModelT]):
    """A way of converting. One file in engines/ holds one, beside its closed pydantic `Options` and `Parameters`, its
    VERSION and what else core.engines says.

    `Options` say where and how it runs and are set by the operator; `Parameters` come with a request.
    """

    example: ClassVar[AudioClip]
    """A sound that warms the engine up."""

    def load(self, model: str) -> ModelT:
        """Read a model into memory.

        Raises:
            UnknownVoice, BadModel
        """

    def size_bytes(self, model: ModelT) -> int:
        """Memory that it takes on the device."""

    def check(self, part: Part[ModelT]) -> None:
        """Whether it can be converted.

        Raises:
            BadInput: a parameter that this model does not take.
        """

    def convert(self, parts: Sequence[Part[ModelT]]) -> list[AudioClip]:
        """Convert sentences, of any models and lengths, together.

        Each clip is as long as its input: round(samples * new rate / old rate) samples.
        """
