"""Cuts a portrait to the frame."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.avatar.contract import Canvas, Face, Portrait
from deployments.avatar.landmarks import CHIN, FOREHEAD, OVAL

_FACE_HEIGHT = 0.42
"""Forehead to chin, of the frame's height: head and shoulders, as a newsreader is shown."""
_FACE_WIDTH = 0.52
"""Most of the frame's width that a face may take, for upright frames."""
_FACE_TOP = 0.26
"""Of the frame's height above the forehead: hair, and air."""
_MOST_PIXELS = 1 << 25
"""Of a cut before it is made as large as the frame, twice those of any picture: 134 MB. A flat frame around the face of
a large cut-out would take gigabytes."""


@dataclass(frozen=True, eq=False)
class Framed:
    """A portrait in the frame."""

    pixels: NDArray[np.uint8]
    """(H, W, 4) uint8 RGBA, premultiplied."""
    landmarks: NDArray[np.float32]
    """(478, 3) float32, pixels of the frame."""
    background: NDArray[np.uint8]
    """(H, W, 3) uint8 RGB: what is behind."""

    @property
    def opaque(self) -> bool:
        """Whether nothing of the background shows."""
        return bool((self.pixels[..., 3] == 255).all())


def frame(portrait: Portrait, face: Face, canvas: Canvas, backdrop: Portrait | None) -> Framed:
    """The part of a portrait that the video shows, at the video's size."""
    size = (canvas.width, canvas.height)
    height, width = portrait.pixels.shape[:2]
    box = _cover(width, height, size, face) if canvas.crop == "whole" else _bust(portrait, face, size)
    landmarks = face.landmarks.copy()
    landmarks[:, :2] = (landmarks[:, :2] - box[:2] + 0.5) * (canvas.width / box[2]) - 0.5
    landmarks[:, 2] *= canvas.width / box[2]
    return Framed(_cut(portrait.pixels, box, size), landmarks, _background(canvas, backdrop, size))


def _bust(portrait: Portrait, face: Face, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, width, height of head and shoulders in the portrait."""
    height, width = portrait.pixels.shape[:2]
    oval = face.landmarks[list(OVAL), :2]
    (left, top), (right, bottom) = oval.min(0), oval.max(0)
    scale = max((bottom - top) / (_FACE_HEIGHT * size[1]), (right - left) / (_FACE_WIDTH * size[0]))
    if (portrait.pixels[..., 3] == 255).all():  # nothing may be made up beside a photograph
        scale = min(scale, width / size[0], height / size[1])
    crop = (max(2, round(size[0] * scale)), max(2, round(size[1] * scale)))
    x = round(float((left + right) / 2 - crop[0] / 2))
    # A face that is higher than the frame is cut at both ends.
    y = round(float(max(top - _FACE_TOP * crop[1], (top + bottom - crop[1]) / 2)))
    return (_within(x, crop[0], width), min(_within(y, crop[1], height), height - crop[1]), *crop)


def _cover(width: int, height: int, size: tuple[int, int], face: Face) -> tuple[int, int, int, int]:
    """All of the picture that the frame's shape allows; what is cut off is far from the face."""
    scale = min(width / size[0], height / size[1])
    crop = (max(2, round(size[0] * scale)), max(2, round(size[1] * scale)))
    x, y = face.landmarks[[FOREHEAD, CHIN], :2].mean(0)
    return (
        _within(round(float(x) - crop[0] / 2), crop[0], width),
        _within(round(float(y) - crop[1] / 2), crop[1], height),
        *crop,
    )


def _within(start: int, length: int, limit: int) -> int:
    """Moved into [0, limit] where that fits, else centred."""
    return min(max(start, 0), limit - length) if length <= limit else start


def _cut(pixels: NDArray[np.uint8], box: tuple[int, int, int, int], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A box of a picture, premultiplied, at another size; outside of the picture it is transparent."""
    left, top, width, height = box
    inside = _premultiplied(pixels[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)])
    x, y = max(-left, 0), max(-top, 0)
    step = ceil(sqrt(width * height / _MOST_PIXELS))
    if step > 1:  # the frame has fewer pixels still
        there = [max(1, round(side / step)) for side in inside.shape[1::-1]]
        inside = np.asarray(cv2.resize(inside, there, interpolation=cv2.INTER_AREA), np.uint8)
        x, y, width, height = (round(each / step) for each in (x, y, width, height))
    whole = np.zeros((height, width, 4), np.uint8)  # bytes: a photograph of 12 million pixels would be 200 MB of floats
    filled = whole[y : y + inside.shape[0], x : x + inside.shape[1]]
    filled[:] = inside[: filled.shape[0], : filled.shape[1]]
    how = cv2.INTER_AREA if width > size[0] else cv2.INTER_CUBIC
    resized = np.asarray(cv2.resize(whole, size, interpolation=how), np.uint8)
    resized[..., :3] = np.minimum(resized[..., :3], resized[..., 3:])  # cubics overshoot
    return resized


def _premultiplied(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 RGBA whose colours are multiplied by alpha."""
    alpha = np.ascontiguousarray(pixels[..., 3])
    thick = cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)
    colours = cv2.multiply(np.ascontiguousarray(pixels[..., :3]), thick, scale=1 / 255)
    return np.dstack((colours, alpha))


def _background(canvas: Canvas, backdrop: Portrait | None, size: tuple[int, int]) -> NDArray[np.uint8]:
    plain = np.empty((canvas.height, canvas.width, 3), np.uint8)
    plain[:] = canvas.background
    if backdrop is None:
        return plain
    height, width = backdrop.pixels.shape[:2]
    scale = min(width / size[0], height / size[1])
    crop = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
    picture = _cut(backdrop.pixels, ((width - crop[0]) // 2, (height - crop[1]) // 2, *crop), size)
    return over(picture, plain)


def over(picture: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8: a premultiplied RGBA picture on a background of its size."""
    hidden = cv2.cvtColor(cv2.bitwise_not(picture[..., 3]), cv2.COLOR_GRAY2RGB)
    behind = cv2.multiply(background, hidden, scale=1 / 255)
    return np.asarray(cv2.add(cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB), behind), np.uint8)
