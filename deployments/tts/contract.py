"""What every voice engine is: `load` a voice once, then `speak` sentences with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

from deployments.core.types import Speech

VoiceT = TypeVar("VoiceT")


@dataclass(frozen=True)
class Sentence:
    """One unit of work: strings and numbers only, hashable."""

    text: str
    """At most `sentences.MAX_CHARS` characters."""
    voice_id: str
    speed: float = 1.0
    """0.5-2.0; 2 speaks twice as fast."""
    speaker: str | None = None
    """Name or number, for voices with several speakers."""


def model_id(voice_id: str, weights: str) -> str:
    """What a replica keeps a voice in memory under: with new files it is another voice."""
    return f"{voice_id}@{weights}"


class Engine(Protocol[VoiceT]):
    """A family of voices. One file in engines/ holds one, beside its closed pydantic `Options` and its VERSION."""

    example: ClassVar[str]
    """A sentence that warms a voice up."""
    default_voice: str
    """ID of the voice that a replica loads before it is ready."""

    def load(self, voice_id: str) -> VoiceT:
        """Read a voice into memory.

        Raises:
            UnknownVoice, VoiceNotInstalled
        """

    def weights(self, voice_id: str) -> str:
        """Digest of all files that `load` reads.

        Raises:
            UnknownVoice, VoiceNotInstalled
        """

    def speak(self, voice: VoiceT, sentence: Sentence) -> Speech:
        """Speak one sentence; a clip of 0 samples where nothing in it can be spoken.

        Raises:
            UnknownSpeaker, SynthesisFailed
        """
