"""Eyes that blink and look about: lids are painted over them, the iris slides between the lids."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .anatomy import EyeLandmarks, Points, smooth_step
from .curves import coverage, heights, spline
from .sampling import sample

_SPLINE = spline(9)
_BEYOND = 0.12
"""Of the opening: how far the skin of a shut eye covers the wet rim of the lower lid."""
_RISE = 0.3
"""How far the lower lid comes to the line from corner to corner: a shut eye is a gentle bow."""
_WIDER = 1.14
"""What is drawn, and what landmarks miss, reaches beyond the corners by about that much."""
_LOOK_ASIDE = 0.09
"""Eye widths that the iris travels: 10-12 degrees of an eyeball 12 mm in radius, in an eye 30 mm wide."""
_LOOK_UP = 0.04


@dataclass(frozen=True, eq=False)
class Eye:
    """One eye of a portrait at rest."""

    area: tuple[slice, slice]
    """Rows and columns of the frame."""
    skin: NDArray[np.float32]
    """(h, w, 3) float32 RGB 0-255: the shut lid."""
    upper: NDArray[np.float32]
    """(w,) float32: row of the edge of the upper lid in `area`, by column."""
    lower: NDArray[np.float32]
    """(w,) float32."""
    taper: NDArray[np.float32]
    """(w,) float32 0-1: 0 outside of the corners."""
    cover: NDArray[np.float32]
    """(w,) float32 0-1: the same for skin, which hides lashes beyond the corners too."""
    rest: NDArray[np.float32]
    """(w,) float32: row of the straight line from corner to corner."""
    lids: tuple[NDArray[np.float32], NDArray[np.float32]]
    """As `upper` and `lower`, of an eye a little wider: a lid that shuts covers the corners too."""
    opening: float
    """Pixels between the lids at most."""
    width: float
    """Pixels from corner to corner."""
    lash: NDArray[np.float32]
    """(3,) float32 RGB 0-255."""
    iris: tuple[float, float, float]
    """Column and row of its middle in `area`, and its radius; pixels."""


def look(pixels: NDArray[np.uint8], points: Points, marks: EyeLandmarks) -> Eye | None:
    """An eye in a picture, or None where it is too small, shut, or beyond the frame.

    Args:
        pixels: (H, W, 3 or 4) uint8.
        points: (478, 2), pixels.
        marks: which of them.
    """
    upper, lower = _SPLINE @ points[list(marks.upper)], _SPLINE @ points[list(marks.lower)]
    width = float(upper[-1, 0] - upper[0, 0])
    opening = float((lower[:, 1] - upper[:, 1]).max())
    if width < 6 or opening < 0.08 * width:
        return None
    left, right = int(upper[0, 0] - 0.3 * width), int(upper[-1, 0] + 0.3 * width) + 2
    top = int(upper[:, 1].min() - 0.55 * opening - 0.12 * width)
    bottom = int(lower[:, 1].max() + 0.4 * opening + 0.08 * width) + 2
    if left < 0 or top < 0 or right > pixels.shape[1] or bottom > pixels.shape[0]:
        return None
    columns = np.arange(left, right, dtype=np.float32)
    over, under = heights(upper, columns) - top, heights(lower, columns) - top
    area = (slice(top, bottom), slice(left, right))
    rgb = pixels[area][..., :3]
    inside = np.minimum(columns - upper[0, 0], upper[-1, 0] - columns) / width
    iris = points[list(marks.iris)]
    radius = float(np.hypot(*(iris[1:] - iris[0]).T).mean())
    return Eye(
        area,
        _lid(rgb, over, under, opening),
        over,
        np.maximum(under, over),
        smooth_step(-0.1, 0.1, inside.astype(np.float32)),
        smooth_step(-0.24, -0.04, inside.astype(np.float32)),
        heights(upper[[0, -1]], columns) - np.float32(top),
        _wider(upper, lower, columns, top),
        opening,
        width,
        _lash(rgb, over, inside, opening),
        (float(iris[0, 0]) - left, float(iris[0, 1]) - top, radius),
    )


def _wider(
    upper: Points, lower: Points, columns: NDArray[np.float32], top: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    middle = (upper[0] + upper[-1]) / 2
    over, under = (
        heights(middle + (line - middle) * np.array((_WIDER, 1), np.float32), columns) - np.float32(top)
        for line in (upper, lower)
    )
    return over, np.maximum(under, over)


def _lid(
    rgb: NDArray[np.uint8], upper: NDArray[np.float32], lower: NDArray[np.float32], opening: float
) -> NDArray[np.float32]:
    """The skin around an eye, grown over it: a mean of what is near, of what is farther away where nothing is."""
    rows = np.arange(rgb.shape[0], dtype=np.float32)
    lashes = 0.3 * opening + 1.5
    grey = rgb @ np.array((0.299, 0.587, 0.114), np.float32)
    free = coverage(rows, upper - lashes, lower + 0.2 * opening + 1) == 0
    skin = float(np.median(grey[free]))
    free &= (grey > 0.75 * skin) & (grey < 1.15 * skin + 8)  # no brows, no lashes, no white that landmarks miss
    weight = free.astype(np.float32)[..., None]
    layers = np.dstack((rgb * weight, weight)).astype(np.float32)
    near, far = (cv2.GaussianBlur(layers, (0, 0), scale * opening + 0.8) for scale in (0.4, 1.6))
    mixed = near + 0.03 * far + 1e-6 * np.append(np.median(rgb[free], axis=0), 1)
    found: NDArray[np.float32] = (mixed[..., :3] / mixed[..., 3:]).astype(np.float32)
    return found


def _lash(
    rgb: NDArray[np.uint8], upper: NDArray[np.float32], inside: NDArray[np.float32], opening: float
) -> NDArray[np.float32]:
    """The colour of the darkest tenth along the edge of the upper lid."""
    rows = np.arange(rgb.shape[0], dtype=np.float32)[:, None]
    band = (rows > upper - 0.3 * opening - 1) & (rows < upper + 1) & (inside > 0.1)
    near = rgb[band].astype(np.float32)
    grey = near @ np.array((0.299, 0.587, 0.114), np.float32)
    found: NDArray[np.float32] = near[grey <= np.quantile(grey, 0.1)].mean(0).astype(np.float32)
    return found


def paint(eye: Eye, pixels: NDArray[np.uint8], shut: float, gaze: tuple[float, float]) -> NDArray[np.uint8] | None:
    """What is in the eye's area in a frame; None where that is what is in the picture.

    Args:
        eye: its rest.
        pixels: (h, w, C) uint8: its area of the picture.
        shut: 0-1.
        gaze: to the right and down, -1..1.
    """
    if shut < 1e-3 and abs(gaze[0]) + abs(gaze[1]) < 1e-3:
        return None
    rgb = pixels[..., :3].astype(np.float32)
    if abs(gaze[0]) + abs(gaze[1]) >= 1e-3:
        rgb = _slide(eye, rgb, gaze)
    if shut >= 1e-3:
        rgb = _close(eye, rgb, shut)
    found = pixels.copy()
    found[..., :3] = np.clip(np.rint(rgb), 0, 255)
    return found


def _slide(eye: Eye, rgb: NDArray[np.float32], gaze: tuple[float, float]) -> NDArray[np.float32]:
    """Moves the iris; the white beside it stretches, the lids stay."""
    height, width = rgb.shape[:2]
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)
    centre, _, radius = eye.iris
    inner = 1.3 * radius
    ends = np.flatnonzero(eye.lower > eye.upper)
    side = np.where(x < centre, centre - ends[0], ends[-1] - centre) - inner
    room = np.maximum(side, 2.0)
    weight = 1 - smooth_step(0.0, 1.0, ((np.abs(x - centre) - inner) / room).astype(np.float32))
    limit = 0.55 * float(max(ends[-1] - centre - inner if gaze[0] > 0 else centre - ends[0] - inner, 0.0))
    aside = float(np.clip(gaze[0] * _LOOK_ASIDE * eye.width, -limit, limit))
    source = (x - aside * weight).astype(np.float32)
    over, under = np.interp(source, x, eye.upper), np.interp(source, x, eye.lower)
    # At the same share of the opening: the edge of the lid, which slopes, is not dragged along.
    share = (y[:, None] - eye.upper) / np.maximum(eye.lower - eye.upper, 0.5)
    down = gaze[1] * _LOOK_UP * eye.width * weight * np.clip(1 - (2 * share - 1) ** 2, 0, 1)
    rows = over + share * (under - over) - down
    places = np.dstack((np.broadcast_to(source, rows.shape), rows)).astype(np.float32)
    moved = sample(rgb, places)
    # Lids that slope alike are moved onto themselves, so the edge may be soft and lie on them.
    depth = np.minimum(y[:, None] - eye.upper, eye.lower - y[:, None] + 0.12 * eye.opening) / eye.opening
    alpha = smooth_step(-0.04, 0.14, depth)[..., None]
    found: NDArray[np.float32] = rgb + (moved - rgb) * alpha
    return found


def _close(eye: Eye, rgb: NDArray[np.float32], shut: float) -> NDArray[np.float32]:
    """Draws the upper lid down to where it is, with its shade and its lashes, and the lower one a little up."""
    y = np.arange(rgb.shape[0], dtype=np.float32)
    upper, lower = eye.lids
    under = lower - _RISE * shut * np.maximum(lower - eye.rest, 0)
    edge = upper + shut * (under - upper)
    begun = min(1.0, shut / 0.15)
    lashes = 0.2 * eye.opening + 1.5
    above = y[:, None] - upper
    new = coverage(y, upper, edge)
    old = smooth_step(-2.2 * lashes, -0.6 * lashes, above) * (above < 0.5) * begun
    rim = np.clip(y[:, None] - under + 0.5, 0, 1) * (1 - smooth_step(0, _BEYOND * eye.opening + 1, y[:, None] - lower))
    alpha = np.maximum(np.maximum(new, old * eye.cover), rim * eye.cover * smooth_step(0.6, 1.0, np.array(shut)))
    to_edge = np.maximum(edge - y[:, None], 0) / max(eye.opening, 1)
    shade = 1 - 0.14 * np.exp(-to_edge / 0.16) + 0.05 * np.exp(-(((to_edge - 0.45) / 0.2) ** 2))
    rgb = rgb + (eye.skin * shade[..., None] - rgb) * alpha[..., None]
    below = coverage(y, edge, edge + 0.3 * eye.opening) * (0.18 * begun * (1 - shut)) * eye.taper
    rgb = rgb * (1 - below[..., None])  # the shadow of the lid on the eyeball
    thick = max(0.032 * eye.width, 0.7)
    line = np.exp(-(((y[:, None] - edge) / (thick * (0.4 + 0.6 * eye.taper))) ** 2)) * eye.taper * (0.9 * begun)
    found: NDArray[np.float32] = rgb + (eye.lash - rgb) * line[..., None]
    return found
