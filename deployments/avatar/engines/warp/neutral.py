"""Brings a face to rest before it speaks: lips that are parted meet, and a smile is taken back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.avatar.landmarks import CHIN, LIPS_INNER_LOWER, LIPS_INNER_UPPER

from .anatomy import Anatomy, smooth_step
from .fields import Grid, inverse, solve
from .lips import Contour, rims
from .muscles import LOWER, UPPER, Marks
from .sampling import sample

_PARTED = 0.035
"""Of the mouth's width: a smaller gap is the dark line between closed lips, which is worth keeping."""
_MEET = 0.4
"""Of the gap below the upper lip: the lower lip comes the longer way."""
_WIDTH = 0.84
"""Mouth to eye distance at rest (50 mm to 60 mm, Farkas 1994); a smile is wider."""
_LIFT = 0.01
"""Mouth widths that corners lie above the middle of the lips at rest, in a friendly face."""


def neutralise(
    pixels: NDArray[np.uint8], anatomy: Anatomy, grid: Grid, anchors: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], Anatomy]:
    """The picture and the landmarks with closed lips.

    Args:
        pixels: (H, W, 4) uint8.
        anatomy: of the face in it.
        grid: around the face.
        anchors: (N, 2) float32, pixels: what stays.
    """
    local = anatomy.local(anatomy.points)
    gap = float(local[LIPS_INNER_LOWER[5], 1] - local[LIPS_INNER_UPPER[5], 1])
    rest, wants = _rest(anatomy, local, gap)
    closed = anatomy.moved((wants @ anatomy.axes * anatomy.mouth + anatomy.centre).astype(np.float32))
    if rest:
        return pixels, closed
    fields, moved = [], {}
    for marks in (UPPER, LOWER):
        indices = marks.all
        shift = closed.points[indices] - anatomy.points[indices]
        moved[marks.side] = shift[None]
        points = np.concatenate((anatomy.points[indices], anchors))
        shifts = np.concatenate((shift, np.zeros_like(anchors)))[None]
        field = solve(grid, points, shifts.astype(np.float32), 0.06 * anatomy.mouth)[0]
        fields.append(inverse(grid, field, 6))
    lips = rims(closed, moved[-1] * 0, moved[1] * 0)
    contour = lips.contour(np.zeros(1, np.float32))
    return _bend(pixels, closed, grid, fields, contour, gap > _PARTED), closed


def _rest(anatomy: Anatomy, local: NDArray[np.float32], gap: float) -> tuple[bool, NDArray[np.float32]]:
    """Whether the picture may stay as it is, and where the landmarks are at rest, in mouth widths."""
    wants = local.copy()
    corners = local[[LIPS_INNER_UPPER[0], LIPS_INNER_UPPER[-1]], 1].mean()
    seam = local[LIPS_INNER_UPPER[5], 1] + _MEET * gap
    lift = float(np.clip(0.8 * (seam - corners - _LIFT), 0, 0.10)) if gap > _PARTED else 0.0
    narrow = float(np.clip(1 - _WIDTH * anatomy.eyes / anatomy.mouth, 0, 0.12)) if gap > _PARTED else 0.0
    for marks in (UPPER, LOWER):
        _close(marks, local, wants)
    u, v = wants.T.copy()  # rims that meet must go on together
    ends = np.abs(u).clip(0, 0.5) * 2
    cheek = np.exp(-((np.maximum(np.abs(u) - 0.5, 0) / 0.25) ** 2) - (v / 0.4) ** 2)
    wants[:, 0] -= narrow * np.clip(u, -0.5, 0.5) * cheek
    wants[:, 1] += lift * ends**2 * cheek
    chin = max(float(local[CHIN, 1]), 1e-3)
    skin = [index for index in set(LOWER.all) - {*LOWER.outer, *LOWER.inner} if local[index, 1] > 0]
    if gap > _PARTED:  # the jaw comes up a little with the lower lip
        wants[skin, 1] -= 0.3 * gap * np.clip(local[skin, 1] / chin, 0, 1) * np.exp(-((local[skin, 0] / 0.6) ** 2))
    return gap <= _PARTED, wants


def _close(marks: Marks, local: NDArray[np.float32], wants: NDArray[np.float32]) -> None:
    """Both rims onto the line where they meet; the outer lines follow, so that lips keep some of their height."""
    upper, lower = local[list(LIPS_INNER_UPPER)], local[list(LIPS_INNER_LOWER)]
    meet = upper + _MEET * (lower - upper)
    inner = list(marks.inner)
    wants[inner] = meet
    follow = (meet - local[inner])[:, 1] * 0.6
    follow[[0, -1]] = 0
    wants[list(marks.outer), 1] += follow


def _bend(
    pixels: NDArray[np.uint8],
    anatomy: Anatomy,
    grid: Grid,
    fields: list[NDArray[np.float32]],
    contour: Contour,
    draw_seam: bool,
) -> NDArray[np.uint8]:
    """The picture through two layers of backward displacements, with the line between lips that were parted."""
    upper, lower = (grid.fine(field) for field in fields)
    x, y = np.arange(grid.width, dtype=np.float32), np.arange(grid.height, dtype=np.float32)
    places = np.dstack(np.meshgrid(x + grid.left, y + grid.top))
    local = anatomy.turned(places)
    share = contour.upper_share(local)[..., None]
    maps = (places + upper * share + lower * (1 - share)).astype(np.float32)
    bent = sample(pixels, maps, cubic=True)
    if draw_seam:
        bent = _heal(bent, local, contour, anatomy.mouth)
        bent = _seam(bent, local, contour, anatomy.mouth)
    whole = pixels.copy()
    top, left = max(grid.top, 0), max(grid.left, 0)
    bottom, right = min(grid.top + grid.height, pixels.shape[0]), min(grid.left + grid.width, pixels.shape[1])
    whole[top:bottom, left:right] = bent[top - grid.top : bottom - grid.top, left - grid.left : right - grid.left]
    return whole


def _heal(pixels: NDArray[np.uint8], local: NDArray[np.float32], contour: Contour, mouth: float) -> NDArray[np.uint8]:
    """Takes the dark of the open mouth out of the corners, where landmarks leave some of it to the lips."""
    away = np.minimum(*(np.hypot(*np.moveaxis(local - contour.upper[end], -1, 0)) for end in (0, -1))) / mouth
    near = (1 - smooth_step(0.06, 0.13, away))[..., None]
    rgb = pixels[..., :3].astype(np.float32)
    grey = rgb @ np.array((0.299, 0.587, 0.114), np.float32)
    plain = float(np.median(grey[away < 0.2]))
    reach = 2 * round(0.02 * mouth) + 1
    darkest = cv2.GaussianBlur(cv2.erode(grey, np.ones((reach, reach))), (0, 0), 0.4 * reach)  # its soft rim goes too
    light = smooth_step(0.55 * plain, 0.85 * plain, darkest)[..., None]
    blurred = cv2.GaussianBlur(np.dstack((rgb * light, light)), (0, 0), 0.05 * mouth)
    around = blurred[..., :3] / np.maximum(blurred[..., 3:], 1e-3)
    healed = pixels.copy()
    healed[..., :3] = np.clip(rgb + (around - rgb) * near * (1 - light), 0, 255)
    return healed


def _seam(pixels: NDArray[np.uint8], local: NDArray[np.float32], contour: Contour, mouth: float) -> NDArray[np.uint8]:
    """Darkens the line where the lips meet: two lips press their shadow on each other."""
    columns = local[..., 0]
    line, _ = contour.between(columns.ravel())
    away = np.abs(local[..., 1] - line.reshape(columns.shape))
    inside = np.clip((contour.upper[-1, 0] - np.abs(columns)) / (0.12 * mouth), 0, 1)
    dark = inside * (0.5 * np.exp(-((away / (0.012 * mouth)) ** 2)) + 0.22 * np.exp(-((away / (0.04 * mouth)) ** 2)))
    shaded = pixels.astype(np.float32)
    shaded[..., :3] *= 1 - dark[..., None] * (0.85, 1, 1)
    return np.rint(shaded).astype(np.uint8)
