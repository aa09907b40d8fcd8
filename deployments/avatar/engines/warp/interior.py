"""The inside of the mouth: throat, tongue and teeth, lit as the skin is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .anatomy import smooth_step
from .curves import coverage
from .lips import Contour

_Colour = NDArray[np.float32]

# RGB under white light, 0-255.
_THROAT = np.array((44, 12, 14), np.float32)
_TONGUE = np.array((184, 80, 82), np.float32)
_GUM = np.array((188, 100, 100), np.float32)
_TOOTH = np.array((242, 236, 222), np.float32)
_UPPER_WIDTHS = (0.085, 0.066, 0.07, 0.066, 0.06, 0.055, 0.05)
"""Mouth widths of half the upper row from the middle: 8.5, 6.5 and, turned away, less (Wheeler's Dental Anatomy)."""
_LOWER_WIDTHS = (0.055, 0.058, 0.062, 0.06, 0.055, 0.05, 0.05)
_EDGE = 0.05
"""Mouth widths that upper teeth show below a lip at rest that is open: 2-3 mm."""
_BITE = 0.025
"""Mouth widths that upper teeth overlap lower ones."""


@dataclass(frozen=True, eq=False)
class Mouth:
    """Pictures of what is behind the lips; all (h, w, 4) float32 RGBA premultiplied, 0-255 and 0-1."""

    left: float
    """Pixels along the face's own axes from the middle of the lips: of the first column."""
    top: float
    """Of the first row."""
    size: tuple[int, int]
    """Rows, columns."""
    width: float
    """Pixels: of the mouth."""
    throat: NDArray[np.float32]
    """(3,) float32."""
    upper: NDArray[np.float32]
    """Upper teeth; their edge is at rest on the row _EDGE below the middle of the lips."""
    lower: NDArray[np.float32]
    tongue: NDArray[np.float32]
    """Its top is on the row of the middle of the lips."""

    @property
    def columns(self) -> NDArray[np.float32]:
        """(w,) float32, pixels from the middle of the lips."""
        return np.arange(self.size[1], dtype=np.float32) + np.float32(self.left)

    @property
    def rows(self) -> NDArray[np.float32]:
        """(h,) float32."""
        return np.arange(self.size[0], dtype=np.float32) + np.float32(self.top)


def furnish(width: float, skin: _Colour) -> Mouth:
    """A mouth of `width` pixels in a face of that skin.

    Args:
        width: pixels.
        skin: (3,) float32, RGB 0-255: of the cheeks.
    """
    light = float(np.clip(skin @ (0.299, 0.587, 0.114) / 175, 0.4, 1.08))
    tint = (skin / max(float(skin.mean()), 1)) ** 0.2
    lit = (light * tint).astype(np.float32)
    left, top = -np.ceil(0.64 * width), -np.ceil(0.34 * width)
    size = (int(np.ceil(1.02 * width)) + 1, int(-2 * left) + 1)
    u = ((np.arange(size[1], dtype=np.float32) + left) / width)[None, :]
    v = ((np.arange(size[0], dtype=np.float32) + top) / width)[:, None]
    teeth = _TOOTH * np.float32(light**0.6) * tint
    return Mouth(
        float(left),
        float(top),
        size,
        width,
        _THROAT * lit,
        _teeth(u, v, width, _UPPER_WIDTHS, -1, teeth.astype(np.float32), _GUM * lit),
        _teeth(u, v, width, _LOWER_WIDTHS, 1, (teeth * 0.93).astype(np.float32), _GUM * lit),
        _tongue(u, v, width, _TONGUE * lit),
    )


def _teeth(
    u: NDArray[np.float32],
    v: NDArray[np.float32],
    width: float,
    widths: tuple[float, ...],
    side: int,
    tooth: _Colour,
    gum: _Colour,
) -> NDArray[np.float32]:
    """One row: an arch of teeth with soft gaps, rounded edges, and gums. side -1 hangs from above, 1 stands."""
    pixel = 1 / width
    borders = np.concatenate(([0], np.cumsum(widths))).astype(np.float32)
    away = np.abs(u)
    which = np.clip(np.searchsorted(borders, away[0], side="right") - 1, 0, len(widths) - 1)
    middle = ((borders[which] + borders[which + 1]) / 2)[None, :]
    half = ((borders[which + 1] - borders[which]) / 2)[None, :]
    inside = (away - middle) / half  # -1..1 across a tooth
    # The arch turns away: its edge rises towards the sides, and each edge is round.
    edge = _EDGE - 0.03 * np.minimum(away / 0.3, 1.3) ** 2 - 0.012 * np.abs(inside) ** 4 - 0.006 * (which[None, :] == 1)
    if side > 0:
        edge = 0.012 * np.abs(inside) ** 4 + 0.03 * np.minimum(away / 0.3, 1.3) ** 2
    depth = (edge - v) if side < 0 else (v - edge)  # from the cutting edge into the gum, mouth widths
    shape = np.clip(depth / pixel + 0.5, 0, 1) * smooth_step(borders[-1] + pixel, borders[-1] - pixel, away)
    gap = 1 - 0.16 * np.exp(-((1 - np.abs(inside)) * half / (0.4 * pixel + 0.004)))
    bulge = 1 - 0.05 * inside**2
    turned = 1 - 0.62 * smooth_step(0.1, 0.46, away)
    clear = 0.93 + 0.07 * smooth_step(0.0, 0.03, depth)  # enamel lets the dark through at its edge
    colour = tooth * (gap * bulge * turned * clear)[..., None]
    into_gum = smooth_step(0.15, 0.19, depth - 0.02 * (1 - inside**2))[..., None]
    colour = colour * (1 - into_gum) + gum * turned[..., None] * into_gum
    return np.dstack((colour * shape[..., None], shape)).astype(np.float32)


def _tongue(u: NDArray[np.float32], v: NDArray[np.float32], width: float, colour: _Colour) -> NDArray[np.float32]:
    """A rounded back with a groove in the middle, light from above."""
    top = 0.16 * (np.abs(u) / 0.3) ** 2.5
    depth = v - top
    shape = np.clip(depth * width * 0.5 + 0.5, 0, 1) * np.ones_like(u)
    light = 0.82 + 0.2 * np.exp(-(((depth - 0.05) / 0.06) ** 2)) - 0.35 * smooth_step(0.1, 0.4, depth)
    groove = 1 - 0.16 * np.exp(-((u / 0.022) ** 2)) * smooth_step(0.02, 0.12, depth)
    shaded = colour * (light * groove)[..., None]
    return np.dstack((shaded * shape[..., None], shape)).astype(np.float32)


def paint(
    mouth: Mouth,
    contour: Contour,
    jaw: float,
    tongue: float,
    tip: float,
    pucker: float,
    shift: tuple[float, float],
) -> tuple[NDArray[np.uint8], int] | None:
    """What is seen between the lips.

    Args:
        mouth: its furniture.
        contour: the opening.
        jaw: pixels that lower teeth are below where they rest.
        tongue: 0-1: how far it rises to the upper teeth.
        tip: 0-1: how far it comes out between them.
        pucker: 0-1: lips are pushed forward: they hide the teeth, and keep the light out.
        shift: pixels right and down that a turning head moves the teeth.

    Returns:
        (h, columns, 4) uint8 RGBA premultiplied, and its first row in the mouth's picture; None where nothing opens.
    """
    top, bottom = contour.between(mouth.columns)
    if float((bottom - top).max()) < 0.05:
        return None
    open_ = bottom - top > 0.01
    first = int(np.clip(np.floor(top[open_].min() - mouth.top) - 1, 0, mouth.size[0] - 1))
    last = int(np.clip(np.ceil(bottom[open_].max() - mouth.top) + 2, first + 1, mouth.size[0]))
    rows = mouth.rows[first:last]
    alpha = coverage(rows, top, bottom)
    rest = mouth.width * (_EDGE - _BITE)
    floor = rest + jaw
    low = floor + 0.03 * mouth.width - 0.4 * jaw  # at rest behind the lower teeth, over which it is seen in "ah"
    back = low + (mouth.width * (_EDGE - 0.01) - low) * tongue
    hidden = shift[1] - 0.05 * mouth.width * pucker
    seen = np.empty((len(rows), mouth.size[1], 3), np.float32)
    seen[:] = mouth.throat
    _over(seen, mouth.tongue, shift[0], back + shift[1], first)
    _over(seen, mouth.lower, shift[0], floor + shift[1] + 0.03 * mouth.width * pucker, first)
    if tip > 0:
        _over(seen, mouth.tongue, shift[0], mouth.width * (_EDGE - 0.015) + shift[1], first, tip)
    _over(seen, mouth.upper, shift[0], hidden, first)
    seen *= _shade(mouth, contour, rows, top, bottom)[..., None] * (1 - 0.45 * pucker**2)
    picture = np.dstack((seen * alpha[..., None], alpha * 255))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), first


def _over(
    seen: NDArray[np.float32], layer: NDArray[np.float32], x: float, y: float, first: int, strength: float = 1.0
) -> None:
    """Lays a layer, moved by pixels, onto rows that begin at `first`."""
    matrix = np.array(((1, 0, x), (0, 1, y - first)), np.float32)
    size = (seen.shape[1], seen.shape[0])
    moved = np.asarray(cv2.warpAffine(layer, matrix, size, borderMode=cv2.BORDER_REPLICATE), np.float32)
    if strength < 1:
        moved *= np.float32(strength)
    seen *= 1 - moved[..., 3:]
    seen += moved[..., :3]


def _shade(
    mouth: Mouth,
    contour: Contour,
    rows: NDArray[np.float32],
    top: NDArray[np.float32],
    bottom: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(R, C) float32 in 0-1: the lips' shadow, and the dark of the corners."""
    below = (rows[:, None] - top) / mouth.width
    above = (bottom - rows[:, None]) / mouth.width
    half = max(float(contour.upper[-1, 0] - contour.upper[0, 0]) / 2, 1.0)
    middle = float(contour.upper[-1, 0] + contour.upper[0, 0]) / 2
    corner = 1 - 0.5 * smooth_step(0.6, 1.0, np.abs(mouth.columns - middle) / half)
    lips = 1 - 0.34 * np.exp(-np.maximum(below, 0) / 0.03) - 0.14 * np.exp(-np.maximum(above, 0) / 0.03)
    found: NDArray[np.float32] = (lips * corner[None, :]).astype(np.float32)
    return found
