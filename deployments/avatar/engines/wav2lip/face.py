"""What the network sees of a still, and how its mouth gets back into it.

The box is that of upstream's S3FD detector, which was trained on WIDER FACE, whose boxes hold forehead, chin and
cheeks: here the outermost points of the face mesh, and as upstream's `pads` a bit below the chin, where a jaw drops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.avatar.framing import Scene
from deployments.core.errors import NoFace
from deployments.core.types import read_only

from .network import SIDE

_MESH = 468
"""Landmarks of the skin; the irises follow."""
_BELOW = 10 / 230
"""Of the box's height, below the chin: upstream's 10 pixels, of faces that were about 230 high."""
_SMALLEST = 32
"""Pixels of a box: a third of what the network draws."""
_SHARE = 0.5
"""Of the box's height that is kept: the network is given the rest to fill in (rows 48 to 95)."""
_TINT = 0.06
"""0-1, by how much colours are moved at most: a strange mouth may not tint the face."""


@dataclass(frozen=True, eq=False)
class Crop:
    """The face of a still: pixels of the canvas."""

    left: int
    top: int
    right: int
    bottom: int
    pixels: NDArray[np.float32]
    """(96, 96, 3) float32 BGR in 0-1."""
    alpha: NDArray[np.float32]
    """(bottom - top, right - left) float32 in 0-1, of the portrait: what is behind it stays as it is."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", read_only(self.pixels))
        object.__setattr__(self, "alpha", read_only(self.alpha))

    @property
    def network_input(self) -> NDArray[np.float32]:
        """(6, 96, 96) float32: the face without its lower half, then all of it; see network.Wav2Lip."""
        hidden = self.pixels.copy()
        hidden[SIDE // 2 :] = 0
        return np.ascontiguousarray(np.concatenate((hidden, self.pixels), axis=2).transpose(2, 0, 1))


def crop(scene: Scene) -> Crop:
    """The face of a scene.

    Raises:
        NoFace: it is too small, or not on the canvas.
    """
    height, width = scene.still.shape[:2]
    low, high = scene.landmarks[:_MESH, :2].min(axis=0), scene.landmarks[:_MESH, :2].max(axis=0)
    below = (high[1] - low[1]) * _BELOW
    left, top = (max(0, round(float(value))) for value in low)
    right, bottom = min(width, round(float(high[0]))), min(height, round(float(high[1] + below)))
    if min(right - left, bottom - top) < _SMALLEST:
        raise NoFace(
            f"image: the face is {max(0, right - left)} x {max(0, bottom - top)} pixels of the video; wav2lip needs "
            f"{_SMALLEST}.",
            hint="Set crop to face, or make the video larger.",
        )
    inside = (slice(top, bottom), slice(left, right))
    method = cv2.INTER_AREA if bottom - top > SIDE else cv2.INTER_LINEAR
    small = cv2.resize(scene.still[inside], (SIDE, SIDE), interpolation=method)
    return Crop(left, top, right, bottom, _shares(small[..., ::-1]), _shares(scene.rgba[inside][..., 3]))


def _shares(values: NDArray[Any]) -> NDArray[np.float32]:
    """0-255 as 0-1."""
    return np.asarray(np.ascontiguousarray(values) / 255, np.float32)


class Paster:
    """Puts what the network draws into a still: its lower half, with soft edges and in the colours of the still."""

    def __init__(self, still: NDArray[np.uint8], face: Crop, feather: float) -> None:
        """
        Args:
            still: (H, W, 3) uint8 RGB.
            face: of it.
            feather: width of the soft edge as a share of the face's height, 0-1.
        """
        self._still, self._face = still, face
        mask = _mask(face.bottom - face.top, face.right - face.left, feather) * face.alpha
        self._first = int(np.flatnonzero(mask.any(axis=1))[0]) if mask.any() else mask.shape[0]
        self._mask = mask[self._first :, :, None]
        small = _mask(SIDE, SIDE, feather)
        self._ring = (small * (1 - small))[..., None]

    def __call__(self, drawn: NDArray[np.float32]) -> NDArray[np.uint8]:
        """A frame.

        Args:
            drawn: (96, 96, 3) float32 BGR in 0-1.

        Returns:
            (H, W, 3) uint8 RGB, outside of the lower half of the face exactly the still.
        """
        face, frame = self._face, self._still.copy()
        tint = (self._ring * (face.pixels - drawn)).sum(axis=(0, 1)) / max(float(self._ring.sum()), 1e-6)
        bgr = drawn + np.clip(tint, -_TINT, _TINT).astype(np.float32)
        size = (face.right - face.left, face.bottom - face.top)
        large = np.asarray(cv2.resize(bgr, size, interpolation=cv2.INTER_CUBIC))[self._first :, :, ::-1] * 255
        place = frame[face.top + self._first : face.bottom, face.left : face.right]
        place[:] = np.clip(np.rint(place + self._mask * (large - place)), 0, 255)
        return frame


def _mask(height: int, width: int, feather: float) -> NDArray[np.float32]:
    """(height, width) float32 in 0-1: the lower half, falling to 0 at its edges as a smoothstep."""
    edge = feather * height
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    down = np.minimum((rows - (1 - _SHARE) * height) / edge, (height - rows) / edge)
    across = np.minimum(columns, width - columns) / edge
    soft = [np.clip(line, 0, 1) ** 2 * (3 - 2 * np.clip(line, 0, 1)) for line in (down, across)]
    return np.asarray(soft[0][:, None] * soft[1], np.float32)
