"""What each articulator does to a face: how far it moves every landmark, in mouth widths.

A mouth is about 50 mm wide (Farkas, Anthropometry of the Head and Face, 1994), a jaw opens 15 mm for a clear "ah": the
amounts follow from that and were set by eye on photographs and drawings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.avatar.landmarks import (
    CHIN,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
    OVAL,
)

from .anatomy import BROWS, Anatomy, smooth_step

MUSCLES = ("jaw", "wide", "round", "funnel", "raise_", "drop", "press", "tuck", "brow", "yaw", "pitch")
"""Order of the fields. The first eight shape the mouth; yaw and pitch are radians of the head."""

SKIN = (
    *(2, 98, 327, 97, 326, 94, 1, 4, 48, 278, 6, 168, 197, 195),  # nose
    *(164, 167, 393, 165, 391),  # between nose and mouth
    *(205, 425, 50, 280, 206, 426, 203, 423, 36, 266, 207, 427, 187, 411, 192, 416, 216, 436, 212, 432),  # cheeks
    *(202, 422, 210, 430, 214, 434, 135, 364, 57, 287, 43, 273, 186, 410, 106, 335),
    *(175, 199, 200, 18, 83, 313, 201, 421, 208, 428, 171, 396, 140, 369, 32, 262, 194, 418, 204, 424),  # chin
    *(33, 133, 362, 263, 145, 374, 159, 386, 119, 348, 101, 330, 229, 449, 9, 151, 108, 337, 69, 299),  # eyes, forehead
)

_BESIDE = 0.17
"""Mouth widths: sigma of what goes with a corner of the mouth."""

_Vectors = NDArray[np.float32]
_FLATTER = np.array((0.25, 0, 0.6, 0.25, 0, 0, 0, 0), np.float32)
"""How far each muscle takes a bow out of the line between the lips: nobody says "oo" with a smile."""


@dataclass(frozen=True, eq=False)
class Marks:
    """Landmarks of one layer of the mouth, by what they are."""

    outer: tuple[int, ...]
    inner: tuple[int, ...]
    side: int
    """-1: the upper lip; 1: the lower lip."""

    @property
    def all(self) -> list[int]:
        """Lips, then the rest of the face; each once."""
        return list(dict.fromkeys((*self.outer, *self.inner, *SKIN, *BROWS, *OVAL)))


UPPER = Marks(LIPS_OUTER_UPPER, LIPS_INNER_UPPER, -1)
LOWER = Marks(LIPS_OUTER_LOWER, LIPS_INNER_LOWER, 1)


def moves(anatomy: Anatomy, marks: Marks) -> NDArray[np.float32]:
    """(len(MUSCLES), N, 2) float32, pixels: of `marks.all`, at full strength."""
    indices = marks.all
    local = anatomy.local(anatomy.points)
    found = np.zeros((len(MUSCLES), len(indices), 2), np.float32)
    place = {index: i for i, index in enumerate(indices)}
    skin = [i for i, index in enumerate(indices) if index not in {*marks.outer, *marks.inner}]
    found[:, skin] = _skin(local[[indices[i] for i in skin]], float(local[CHIN, 1]))
    seam = local[list(marks.inner), 1]
    thick = seam - local[list(marks.outer), 1]
    for line, outer in ((marks.outer, True), (marks.inner, False)):
        where = [place[index] for index in line]
        found[:8, where] = _lip(local[list(line)], marks.side, outer, thick)
        found[:8, where, 1] -= _FLATTER[:, None] * seam
    _follow_corners(found[:8], local[indices], [place[marks.outer[end]] for end in (0, -1)], skin)
    found[8] = _brows(indices, anatomy)
    pixels = anatomy.pixels(found)
    pixels[9:] = _turns(indices, anatomy)
    return pixels


def _follow_corners(found: _Vectors, local: _Vectors, corners: list[int], skin: list[int]) -> None:
    """What lies beside a corner of the mouth goes with it, or the picture would fold there."""
    for corner in corners:
        u, v = (local[skin] - local[corner]).T
        bell = np.exp(-(u * u + v * v) / (2 * _BESIDE**2))[:, None]
        at = _skin(local[[corner]], 0.8)[:8]
        found[:, skin] += (found[:, [corner]] - at) * bell


def _lip(local: _Vectors, side: int, outer: bool, thick: NDArray[np.float32]) -> NDArray[np.float32]:
    """(8, 11, 2) float32: of one line of a lip."""
    u = local[:, 0]
    un = np.where(u < 0, u / abs(min(float(u[0]), -1e-3)), u / max(float(u[-1]), 1e-3)).astype(np.float32)
    flat = np.clip(1 - un * un, 0, 1)
    full = np.clip(1 - np.abs(un) ** 4, 0, 1)  # the line becomes an oval
    oval = np.sqrt(flat)
    found = np.zeros((8, len(un), 2), np.float32)
    jaw, wide, round_, funnel, raise_, drop, press, tuck = found
    jaw[:, 0] = -0.04 * un
    wide[:, 0] = 0.09 * un
    wide[:, 1] = -0.015 * un * un - (side * 0.02 * flat if outer else 0)
    round_[:, 0] = -0.16 * un
    funnel[:, 0] = -0.02 * un
    if side < 0:
        jaw[:, 1] = 0.12 * un * un - (0.015 if outer else 0.025) * flat
        round_[:, 1] = -0.04 * full if outer else 0.01 * flat
        funnel[:, 1] = 0.03 - (0.08 if outer else 0.09) * oval
        raise_[:, 1] = -(0.075 if outer else 0.09) * flat**0.8
    else:
        jaw[:, 1] = 0.12 + (0.16 * flat if outer else 0.20 * np.clip(1 - np.abs(un) ** 2.5, 0, 1) ** 0.8)
        round_[:, 1] = 0.035 * full if outer else 0
        funnel[:, 1] = 0.03 + (0.07 if outer else 0.09) * oval
        drop[:, 1] = (0.085 if outer else 0.095) * flat**0.8
        tuck[:, 1] = (0.45 * thick - 0.02 if outer else -0.02) * flat
    if outer:
        press[:, 1] = 0.35 * thick * flat
    return found


def _skin(local: _Vectors, chin: float) -> NDArray[np.float32]:
    """(11, N, 2) float32: of the skin around the mouth; u to the right, v down from the middle of the lips."""
    u, v = local[:, 0], local[:, 1]
    away = np.abs(u)
    lateral = 1 - 0.8 * smooth_step(0.45, 1.25, away)  # the jaw turns about the ears
    cheek = np.exp(-((np.maximum(away - 0.5, 0) / 0.28) ** 2) - (v / 0.38) ** 2)
    below = np.exp(-(((v - 0.28) / 0.2) ** 2) - (u / 0.5) ** 2) * (v > 0)
    above = np.exp(-(((v + 0.22) / 0.14) ** 2) - (u / 0.5) ** 2) * (v < 0)
    found = np.zeros((len(MUSCLES), len(local), 2), np.float32)
    jaw, wide, round_, funnel, raise_, drop, press, tuck = found[:8]
    jaw[:, 1] = 0.25 * smooth_step(-0.3, 0.75 * chin, v) * lateral
    jaw[:, 0] = -0.03 * np.sign(u) * np.exp(-(((away - 0.75) / 0.3) ** 2) - ((v - 0.1) / 0.35) ** 2)
    wide[:, 0] = 0.09 * np.tanh(u / 0.4) * cheek
    wide[:, 1] = -0.015 * cheek * smooth_step(0.3, 0.6, away)
    round_[:, 0] = -0.15 * np.tanh(u / 0.4) * cheek
    round_[:, 1] = 0.03 * below - 0.02 * above
    funnel[:, 1] = 0.07 * below - 0.035 * above + 0.04 * smooth_step(0.2, chin, v) * lateral
    raise_[:, 1] = -0.035 * above
    drop[:, 1] = 0.055 * below
    press[:, 1] = -0.015 * below
    tuck[:, 1] = -0.05 * below
    return found


def _brows(indices: list[int], anatomy: Anatomy) -> _Vectors:
    """(N, 2) float32: brows up, and the forehead half as far."""
    found = np.zeros((len(indices), 2), np.float32)
    unit = anatomy.eyes / anatomy.mouth
    for i, index in enumerate(indices):
        if index in BROWS:
            found[i, 1] = -0.09 * unit
        elif index in (9, 151, 108, 337, 69, 299):
            found[i, 1] = -0.05 * unit
    return found


def _turns(indices: list[int], anatomy: Anatomy) -> NDArray[np.float32]:
    """(2, N, 2) float32, pixels a radian: the head turns to the right of the picture, and down."""
    rim = float(np.median(anatomy.depth[list(OVAL)]))
    near = np.clip(rim - anatomy.depth[indices], 0, anatomy.eyes)  # what lies behind the rim is hair and neck
    near[[i for i, index in enumerate(indices) if index in OVAL]] = 0
    right, down = anatomy.axes
    found: NDArray[np.float32] = np.stack((near[:, None] * right, near[:, None] * down)).astype(np.float32)
    return found
