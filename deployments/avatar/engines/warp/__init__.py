"""warp: makes a picture talk by bending it. No weights, no network: any face that has landmarks, drawn ones too.

Method: the face is closed and un-smiled once; displacement fields, one for each articulator (jaw, lip corners, upper
lip, ...), are solved once from the landmarks by radial basis functions (Hardy, "Multiquadric equations of topography",
1971) on a coarse grid, in two layers, so that the lips can part; a frame is a weighted sum of them, inverted by a fixed
point, and one remap. Teeth, tongue and lids are painted. Coarticulation follows Cohen and Massaro, "Modeling
coarticulation in synthetic visual speech", 1993. Licence: this project's own; OpenCV is Apache-2.0.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

VERSION = f"1, opencv {version('opencv-python-headless')}"


class Options(BaseModel):
    """Where and how it runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: Literal["cpu", "cuda"] = Field(default="cpu", exclude=True)
    """Where pixels are looked up. A CPU core makes about 300 frames of 512x512 a second, half of that time with maps,
    which stay on it: a GPU saves the other half."""
    threads: int = Field(default=1, ge=1, le=64, exclude=True)
    """Of OpenCV, for the whole process: more replicas use more cores better than more threads do."""


class Parameters(BaseModel):
    """What a request may ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    head_motion: float = Field(
        default=1.0, ge=0, le=1, allow_inf_nan=False, description="How much the head moves; 0 holds it still."
    )
    expressiveness: float = Field(
        default=1.0, ge=0.5, le=1.5, allow_inf_nan=False, description="How far mouth and brows move."
    )
    blinks: bool = Field(default=True, description="Whether the eyes blink.")


def __getattr__(name: str) -> Any:
    """The Engine, imported when it is wanted: whoever checks parameters needs no OpenCV."""
    if name == "Engine":
        from .engine import Engine

        return Engine
    raise AttributeError(name)
