"""Squares of a picture that models look at, and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_MAX_FINER = 8
"""A cut is made at most so many times finer than asked and then averaged: 1536 pixels a side for the mesh, 7 MB."""


@dataclass(frozen=True)
class Region:
    """A square of a picture, which may reach beyond its border."""

    x: float
    """Of the centre, pixels of the picture."""
    y: float
    """Of the centre, pixels of the picture."""
    side: float
    """Pixels, above 0."""
    angle: float = 0.0
    """Radians: how far its upper edge is turned, clockwise as the picture is seen."""

    def to_picture(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(N, 2) pixels of the picture, of (N, 2) with (0, 0) the upper left corner of the square and (1, 1) the lower
        right one."""
        return (np.asarray(points, np.float64) - 0.5) * self.side @ self._turn().T + (self.x, self.y)

    def from_picture(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """The other way round."""
        return (np.asarray(points, np.float64) - (self.x, self.y)) @ self._turn() / self.side + 0.5

    def cut(self, picture: NDArray[np.uint8], pixels: int, border: int | None = None) -> NDArray[np.uint8]:
        """The square as an upright picture of its own.

        Pixel i of the cut lies at i / pixels of the square, as in MediaPipe (image_to_tensor_converter_opencv.cc); but
        where the cut is coarser than the picture its pixels are means, so that noise does not shine through.

        Args:
            picture: (H, W, 3) uint8.
            pixels: of a side.
            border: 0-255, what is beyond the picture; None: its outermost pixels, as far as they reach.

        Returns:
            (pixels, pixels, 3) uint8.
        """
        finer = min(max(math.floor(self.side / pixels), 1), _MAX_FINER)
        size = pixels * finer
        shift = (finer - 1) / 2 / size  # the middle of the pixels that become one
        corners = np.array([[0, 0], [1, 0], [0, 1]]) - shift
        origin, right, down = self.to_picture(corners)
        matrix = np.column_stack(((right - origin) / size, (down - origin) / size, origin))
        mode = cv2.BORDER_REPLICATE if border is None else cv2.BORDER_CONSTANT
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        value = (border or 0,) * 3
        fine = cv2.warpAffine(picture, matrix, (size, size), flags=flags, borderMode=mode, borderValue=value)
        if finer > 1:
            fine = cv2.resize(fine, (pixels, pixels), interpolation=cv2.INTER_AREA)
        return fine.astype(np.uint8, copy=False)

    def _turn(self) -> NDArray[np.float64]:
        """(2, 2) from the axes of the square to those of the picture."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]])


def around(points: NDArray[np.floating], scale: float, left: int, right: int) -> Region:
    """The square around points, turned so that two of them lie on a horizontal.

    As MediaPipe's face_landmark_landmarks_to_roi.pbtxt: the longer side of the upright box of all points, times scale.

    Args:
        points: (N, 2) pixels.
        scale: of the side.
        left: index of the left end of the horizontal.
        right: index of its right end.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = (low + high) / 2
    along = points[right] - points[left]
    return Region(float(x), float(y), float((high - low).max()) * scale, math.atan2(along[1], along[0]))
