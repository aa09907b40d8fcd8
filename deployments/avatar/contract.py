"""What every avatar engine is: `prepare` a portrait once, then `render` frames of it, of several videos at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from deployments.core.types import Animation, AudioClip, read_only

StateT = TypeVar("StateT")

SAMPLE_RATE = 16_000
"""Hertz of the sound that engines are given: what Wav2Lip and its successors were trained on."""

Crop = Literal["face", "whole"]
"""face: head and shoulders fill the video; whole: all of the picture, cut to the shape of the video."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """A picture of somebody."""

    pixels: NDArray[np.uint8]
    """(H, W, 4) uint8 RGBA, upright, straight (not premultiplied) alpha, read-only."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", read_only(np.ascontiguousarray(self.pixels, dtype=np.uint8)))


@dataclass(frozen=True, eq=False)
class Face:
    """Where a face is in a portrait."""

    landmarks: NDArray[np.float32]
    """(478, 3) float32, pixels of the portrait (x to the right, y down, z away from the viewer, of the scale of x), in
    the order of MediaPipe's attention mesh, read-only."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels of the portrait: brows to chin, ear to ear; may reach beyond its border."""
    score: float
    """0-1: how sure it is that this is a face."""
    method: str
    """What found it: "given", "model", "relaxed model" or "box"."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "landmarks", read_only(np.ascontiguousarray(self.landmarks, dtype=np.float32)))


@dataclass(frozen=True, eq=False)
class Picture:
    """An uploaded or built-in picture, as it is kept."""

    png: bytes
    """Upright, 8-bit, sRGB: see media/pictures.py."""
    face: Face | None = None
    """Who was found in it when it came; None where nobody was, or nobody has looked."""


@dataclass(frozen=True)
class Canvas:
    """What the frames of a video look like, whoever is on them. Hashable."""

    width: int = 512
    """Pixels, even."""
    height: int = 512
    """Pixels, even."""
    fps: int = 25
    """Frames in a second."""
    crop: Crop = "face"
    background: tuple[int, int, int] = (255, 255, 255)
    """RGB, 0-255: what shows through where the portrait is transparent, or ends, and no picture is given."""


@dataclass(frozen=True, eq=False)
class Part(Generic[StateT]):
    """Frames of one video."""

    state: StateT
    audio: AudioClip
    """The whole sound of the video, at SAMPLE_RATE; 0 samples where nobody speaks."""
    animation: Animation
    """The whole timeline, the same that moves the browser avatar. Its own audio may be empty: see `audio`."""
    frames: range
    """Which, counted from 0, step 1: frame i shows the time (i + 0.5) / fps of the timeline."""
    parameters: str = "{}"
    """JSON of the engine's `Parameters`, all of them, with sorted keys."""


class Engine(Protocol[StateT]):
    """A way of making a portrait talk. One file or folder in engines/ holds one, beside its closed pydantic `Options`
    and `Parameters`, its VERSION and what else core.engines says.

    `Options` say where and how it runs and are set by the operator; `Parameters` come with a request. The same state,
    timeline and frame number give the same frame, whatever came before: a video may be made in any order, in parts, by
    several replicas.
    """

    example: ClassVar[AudioClip]
    """A sound that warms the engine up, with a portrait that the room provides."""

    frames_at_a_time: int
    """How many frames of a video `render` is best given: many enough to keep the device busy, few enough to be
    cancelled between, and to be in memory twice."""

    def prepare(self, portrait: Portrait, face: Face, canvas: Canvas, backdrop: Portrait | None = None) -> StateT:
        """All that can be computed before anybody speaks.

        Args:
            portrait: the picture.
            face: in it.
            canvas: of the video.
            backdrop: a picture in place of canvas.background, cut to the shape of the video.

        Raises:
            BadInput: this portrait cannot be made to talk; says why.
        """

    def size_bytes(self, state: StateT) -> int:
        """Memory that a state takes."""

    def render(self, parts: Sequence[Part[StateT]]) -> list[NDArray[np.uint8]]:
        """Frames of one or several videos, together.

        Returns:
            For each part (N, height, width, 3) uint8 RGB, N = len(frames), of the canvas its state was prepared for.
        """
