"""Puts a portrait on the canvas of a video: what of it is seen, how large, and before what. Engines that draw
into a still start here; warp, which bends all of the picture, has a tighter cut of its own.

    scene = frame(portrait, face, canvas, backdrop)
    scene.still       (height, width, 3) uint8 RGB: the video of somebody who does not move
    scene.rgba        (height, width, 4) uint8: the portrait alone, straight alpha
    scene.backdrop    (height, width, 3) uint8 RGB: what is behind it, which nothing should warp
    scene.landmarks   (478, 3) float32: Face.landmarks in pixels of the canvas
    composite(rgba, scene.backdrop)    both together again, after an engine has moved `rgba`

A pixel's corner has whole numbers, its middle ends in .5, as in MediaPipe's landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.core.types import read_only

from .contract import Canvas, Face, Portrait

_HAIR = 0.85
"""From the brows to the top of the hair, of brows to chin: 0.83 to 0.87 in three portraits."""
_FACE_HEIGHT = 0.32
"""Brows to chin of the height of the video: with its hair a head takes 0.59."""
_FACE_WIDTH = 0.45
"""Ear to ear of the width at most: in an upright video there is air beside the ears."""
_FACE_MIDDLE = 0.51
"""Between brows and chin, of the height: leaves 8 % above the hair, and shoulders below."""
_CLEAR = 8
"""A border whose alpha is nowhere above it is cut out: the picture may go on beyond it."""


@dataclass(frozen=True)
class Window:
    """What is seen of a picture: whole pixels of it; may reach beyond its border."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, eq=False)
class Scene:
    """A portrait on its canvas. All arrays are read-only and of the canvas's size."""

    rgba: NDArray[np.uint8]
    """(height, width, 4) RGBA, straight alpha; alpha 0 beyond the border of the portrait."""
    backdrop: NDArray[np.uint8]
    """(height, width, 3) RGB."""
    still: NDArray[np.uint8]
    """(height, width, 3) RGB: rgba over backdrop."""
    landmarks: NDArray[np.float32]
    """(478, 3) float32, pixels of the canvas, otherwise as Face.landmarks."""
    window: Window
    """What of the portrait it is."""

    def __post_init__(self) -> None:
        for name in ("rgba", "backdrop", "still", "landmarks"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @property
    def size_bytes(self) -> int:
        """Memory of the arrays."""
        return self.rgba.nbytes + self.backdrop.nbytes + self.still.nbytes + self.landmarks.nbytes


def frame(portrait: Portrait, face: Face, canvas: Canvas, backdrop: Portrait | None = None) -> Scene:
    """Cuts a portrait to the shape of a video, and puts it before its background.

    Args:
        portrait: the picture.
        face: in it.
        canvas: of the video.
        backdrop: a picture in place of canvas.background; cut around its middle.
    """
    window = face_window(portrait, face, canvas) if canvas.crop == "face" else cover_window(portrait, canvas, face)
    rgba = _seen(portrait, window, canvas)
    behind = np.full((canvas.height, canvas.width, 3), canvas.background, np.uint8)
    if backdrop is not None:
        behind = composite(_seen(backdrop, cover_window(backdrop, canvas), canvas), behind)
    return Scene(rgba, behind, composite(rgba, behind), to_canvas(face.landmarks, window, canvas), window)


def to_canvas(points: NDArray[np.float32], window: Window, canvas: Canvas) -> NDArray[np.float32]:
    """(N, 2 or 3) points of a portrait as points of the canvas; z keeps the scale of x."""
    across = canvas.width / (window.right - window.left)
    down = canvas.height / (window.bottom - window.top)
    scale = np.array([across, down, across], np.float32)[: points.shape[1]]
    origin = np.array([window.left, window.top, 0], np.float32)[: points.shape[1]]
    moved: NDArray[np.float32] = (points - origin) * scale
    return moved


def composite(rgba: NDArray[np.uint8], backdrop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 4) RGBA with straight alpha over (H, W, 3) RGB, as (H, W, 3) uint8: `over` of Porter and Duff (1984)."""
    alpha = rgba[..., 3:]
    if alpha.min(initial=255) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    share = alpha.astype(np.float32) / 255
    mixed = rgba[..., :3] * share + backdrop * (1 - share)
    return np.rint(mixed).astype(np.uint8)


def face_window(portrait: Portrait, face: Face, canvas: Canvas) -> Window:
    """Head and shoulders; inside of the portrait, unless it is cut out and may go on beyond a border."""
    left, top, right, bottom = face.box
    height = max((bottom - top) / _FACE_HEIGHT, (right - left) / _FACE_WIDTH * canvas.height / canvas.width)
    width = height * canvas.width / canvas.height
    first_x, first_y, last_x, last_y = _limits(portrait)
    shrink = min(1.0, (last_x - first_x) / width, (last_y - first_y) / height)
    width, height = width * shrink, height * shrink
    x = _inside((left + right) / 2 - width / 2, width, first_x, last_x)
    y = _inside((top + bottom) / 2 - height * _FACE_MIDDLE, height, first_y, last_y)
    return _whole_pixels(x, y, width, height)


def cover_window(picture: Portrait, canvas: Canvas, face: Face | None = None) -> Window:
    """As much as fits of a picture, around its middle; moved so that the face, if there is one, is in it."""
    high, wide = picture.pixels.shape[:2]
    scale = min(wide / canvas.width, high / canvas.height)
    width, height = canvas.width * scale, canvas.height * scale
    x, y = (wide - width) / 2, (high - height) / 2
    if face is not None:
        left, top, right, bottom = face.box
        hair = _HAIR * (bottom - top)
        x = min(max(x, right - width), left) if right - left < width else (left + right - width) / 2
        y = min(max(y, bottom - height), top - hair) if bottom - top + hair < height else top - hair
    return _whole_pixels(_inside(x, width, 0, wide), _inside(y, height, 0, high), width, height)


def _limits(portrait: Portrait) -> tuple[float, float, float, float]:
    """How far left, up, right and down a window may reach; the lower border never moves, where shoulders end."""
    alpha = portrait.pixels[..., 3]
    high, wide = alpha.shape
    beyond = 2.0 * max(high, wide)  # more than any window
    clear_left, clear_right, clear_top = (bool(edge.max() <= _CLEAR) for edge in (alpha[:, 0], alpha[:, -1], alpha[0]))
    return (-beyond * clear_left, -beyond * clear_top, wide + beyond * clear_right, high)


def _inside(start: float, length: float, first: float, last: float) -> float:
    """The start that is nearest to `start` so that first <= start and start + length <= last."""
    return max(first, min(start, last - length))


def _whole_pixels(x: float, y: float, width: float, height: float) -> Window:
    left, top = round(x), round(y)
    return Window(left, top, max(left + 1, round(x + width)), max(top + 1, round(y + height)))


def _seen(picture: Portrait, window: Window, canvas: Canvas) -> NDArray[np.uint8]:
    """(height, width, 4) RGBA of the canvas's size; colours are weighted by alpha, so that no dark rim appears."""
    is_opaque = picture.pixels[..., 3].min(initial=255) == 255
    # In bytes: what is seen of a large cut-out may have a hundred million pixels, most of them beyond its border.
    cut = _cut(picture.pixels if is_opaque else _weighted(picture.pixels), window)
    method = cv2.INTER_AREA if cut.shape[1] > canvas.width else cv2.INTER_CUBIC
    small = np.asarray(cv2.resize(np.ascontiguousarray(cut), (canvas.width, canvas.height), interpolation=method))
    if is_opaque:
        return small.astype(np.uint8, copy=False)
    colour = small[..., :3] * (255 / np.maximum(small[..., 3:], np.float32(1)))
    out: NDArray[np.uint8] = np.dstack((np.clip(np.rint(colour), 0, 255), small[..., 3])).astype(np.uint8)
    return out


def _weighted(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 RGBA whose colours are multiplied by alpha."""
    alpha = np.ascontiguousarray(pixels[..., 3])
    colours = cv2.multiply(
        np.ascontiguousarray(pixels[..., :3]), np.asarray(cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)), scale=1 / 255
    )
    return np.dstack((colours, alpha))


def _cut(pixels: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
    """(h, w, 4) of a window; transparent beyond the border."""
    high, wide = pixels.shape[:2]
    left, top = max(0, window.left), max(0, window.top)
    right, bottom = min(wide, window.right), min(high, window.bottom)
    inner = pixels[top:bottom, left:right]
    if inner.shape[:2] == (window.bottom - window.top, window.right - window.left):
        return inner
    out = np.zeros((window.bottom - window.top, window.right - window.left, 4), np.uint8)
    out[top - window.top : bottom - window.top, left - window.left : right - window.left] = inner
    return out
