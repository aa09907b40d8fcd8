"""A portrait as the models see it: opaque, and of a size that bounds their work."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.avatar.contract import Portrait

from .region import Region

MAX_SIDE = 2048
"""Pixels: a face of a sixteenth of it still has 128, as many as the detector sees of a whole picture."""
_GREY = 128
"""0-255, behind what is transparent: neither light nor dark hair disappears in it. Landmarks of the astronaut, cut out
tightly, move by 0.4-0.9 pixels before it, by 0.6-1.1 before white."""
_LEAST_TILE = 192
"""Pixels: a smaller tile shows no more than the tiles above it did."""


@dataclass(frozen=True, eq=False)
class Picture:
    """What is looked at: a portrait or a part of it."""

    pixels: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB, its longer side at most MAX_SIDE."""
    scale: float = 1.0
    """Pixels of the portrait for each of these."""
    left: float = 0.0
    """Where these begin in the portrait, pixels of it."""
    top: float = 0.0
    """Where these begin in the portrait, pixels of it."""

    @property
    def whole(self) -> Region:
        """The square around everything."""
        height, width = self.pixels.shape[:2]
        return Region(width / 2, height / 2, max(width, height))

    def tiles(self, parts: int) -> list[Region]:
        """Squares, half over each other, of which `parts` make up the longer side."""
        height, width = self.pixels.shape[:2]
        side = max(width, height) / parts
        if side < _LEAST_TILE:
            return []
        return [Region(x, y, side) for y in _centres(height, side) for x in _centres(width, side)]

    def to_portrait(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 3) pixels of the portrait, of (N, 3) pixels of this."""
        return points * self.scale + (self.left, self.top, 0)


def seen(portrait: Portrait, box: tuple[float, float, float, float] | None = None) -> Picture:
    """The portrait, smaller where it is large, grey where it is transparent.

    Args:
        portrait: a picture.
        box: left, top, right, bottom in pixels: what is to be seen of it, at least; None: everything.
    """
    rgba = portrait.pixels
    left = top = 0
    if box is not None:
        left, top = max(math.floor(box[0]), 0), max(math.floor(box[1]), 0)
        rgba = rgba[top : max(math.ceil(box[3]), top + 1), left : max(math.ceil(box[2]), left + 1)]
    step = -(-max(rgba.shape[:2]) // MAX_SIDE)
    if step > 1:
        rgba = _shrunk(rgba, step)
    rgb = np.ascontiguousarray(rgba[..., :3])
    alpha = rgba[..., 3]
    if (alpha < 255).any():
        weight = alpha[..., None].astype(np.float32) / 255
        rgb = np.rint(rgb * weight + _GREY * (1 - weight)).astype(np.uint8)
    middle = (step - 1) / 2  # of the pixels that have become one
    return Picture(rgb, step, left + middle, top + middle)


def _shrunk(pixels: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Means of squares: by a whole number, which takes OpenCV a fifth of the time; what is left over at the right and
    lower borders, less than a step, is cut off."""
    height, width = (max(size // step, 1) for size in pixels.shape[:2])
    even = pixels[: height * step, : width * step]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _centres(length: int, side: float) -> list[float]:
    """Along one axis: at most half a side apart, the outermost at the borders."""
    if length <= side:
        return [length / 2]
    steps = math.ceil((length - side) / (side / 2))
    return [float(centre) for centre in np.linspace(side / 2, length - side / 2, steps + 1)]
