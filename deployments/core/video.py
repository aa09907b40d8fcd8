"""How a video is asked for, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VideoQuality = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class Filming:
    """How a portrait is to be filmed while it talks: strings and numbers alone, hashable."""

    image: str
    """Name of an uploaded or built-in picture, which follows from its content."""
    engine: str = "warp"
    """Name of a file in the engines/ of the avatar room."""
    parameters: str = "{}"
    """JSON of the engine's `Parameters`, all of them, with sorted keys."""
    width: int = 512
    """Pixels, even."""
    height: int = 512
    """Pixels, even."""
    fps: int = 25
    """Frames in a second."""
    crop: Literal["face", "whole"] = "face"
    """face: head and shoulders fill the video; whole: all of the picture, cut to the shape of the video."""
    quality: VideoQuality = "medium"
    background: str = ""
    """#rrggbb, or the name of an uploaded picture; empty for white. It shows where the portrait is transparent."""
    captions: bool = False
    """Also as a track of subtitles in the video."""
    landmarks: str = ""
    """JSON of where the face is, as the user says; empty: it is looked for."""
    language: str = ""
    """Of what is said, as in en_US: players name the tracks after it. Empty where nobody knows."""


@dataclass(frozen=True, eq=False)
class Video:
    """A finished video."""

    mp4: bytes
    """H.264 and AAC, its index in front."""
    thumbnail: bytes
    """JPEG of the first frame."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    fps: int
    """Frames in a second."""
    frames: int
    """How many."""
    av_offset_ms: float
    """End of the picture less end of the sound, as a player shows them."""

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return self.frames / self.fps


@dataclass(frozen=True, eq=False)
class Footage:
    """A part of a video that is being made."""

    done: int
    """Frames that are made, this part's included."""
    frames: int
    """In all."""
    fragment: bytes
    """Fragmented MP4: with the parts before and after, one file that can be played while it grows. It may be empty."""
