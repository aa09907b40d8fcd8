"""WORLD: moves the pitch and the formants of a voice. An effect, not a conversion: it stays the same speaker.

Method: speech is taken apart into pitch, spectral envelope and noisiness, and put together again with the first two
changed: Morise, Yokomori, Ozawa, "WORLD: a vocoder-based high-quality speech synthesis system for real-time
applications", IEICE Transactions E99-D(7), 2016; envelope: Morise, "CheapTrick", Speech Communication 67, 2015;
noisiness: Morise, "D4C", Speech Communication 84, 2016. Packages pyworld (MIT; WORLD itself: modified BSD) and, for
the pitch, swift-f0 (MIT). No weights besides the 135 KB inside swift-f0. Licence of all
of it: MIT or BSD.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from deployments.rvc.parameters import Pitched

VERSION = ", ".join(["1", *(f"{name} {version(name)}" for name in ("pyworld-prebuilt", "swift-f0", "soxr"))])


class Options(BaseModel):
    """Settings of the engine: there are none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameters(Pitched):
    """What a request may ask for."""

    formant: float = Field(
        default=1.0,
        ge=0.5,
        le=2.0,
        allow_inf_nan=False,
        description="Ratio by which the resonances move: above 1 the speaker sounds smaller.",
    )


def __getattr__(name: str) -> Any:
    """The Engine, imported when it is wanted: whoever checks parameters needs no vocoder."""
    if name == "Engine":
        from .vocoder import Engine

        return Engine
    raise AttributeError(name)
