"""Where the lips are in a frame, and which layer of the face a pixel belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.avatar.landmarks import LIPS_INNER_LOWER, LIPS_INNER_UPPER

from .anatomy import Anatomy
from .curves import heights, spline
from .muscles import LOWER, UPPER

_SPLINE = spline(len(LIPS_INNER_UPPER))
_SOFTER = 0.7
"""Pixels of softness for each pixel beyond a corner: both layers agree more the farther from the lips."""


@dataclass(frozen=True, eq=False)
class Contour:
    """The opening between the lips in one frame, in pixels along the face's own axes from the middle of the lips."""

    upper: NDArray[np.float32]
    """(81, 2) float32: lower rim of the upper lip, from left to right."""
    lower: NDArray[np.float32]
    """(81, 2) float32: upper rim of the lower lip."""

    def between(self, columns: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Heights of both rims, (C,) float32; nowhere do the lips cross."""
        top, bottom = heights(self.upper, columns), heights(self.lower, columns)
        crossed = (top + bottom) / 2
        over = top > bottom
        return np.where(over, crossed, top), np.where(over, crossed, bottom)

    def upper_share(self, places: NDArray[np.float32]) -> NDArray[np.float32]:
        """(...,) float32 in 0-1: how far places belong to the upper layer.

        Args:
            places: (..., 2) float32, pixels along the face's own axes from the middle of the lips.
        """
        u, v = places[..., 0], places[..., 1]
        left, right = float(self.upper[0, 0]), float(self.upper[-1, 0])
        grid = np.arange(np.floor(left), np.ceil(right) + 1, dtype=np.float32)
        top, bottom = self.between(grid)
        seam = np.interp(u, grid, (top + bottom) / 2).astype(np.float32)
        beyond = np.maximum(np.maximum(left - u, u - right), 0)
        found: NDArray[np.float32] = np.clip(0.5 + (seam - v) / (1 + _SOFTER * 2 * beyond), 0, 1)
        return found


@dataclass(frozen=True, eq=False)
class Lips:
    """The inner rims of the lips and how every muscle moves them."""

    upper: NDArray[np.float32]
    """(11, 2) float32, pixels as in Contour, at rest."""
    lower: NDArray[np.float32]
    """(11, 2) float32."""
    upper_moves: NDArray[np.float32]
    """(K, 11, 2) float32, pixels as in Contour, at full strength."""
    lower_moves: NDArray[np.float32]
    """(K, 11, 2) float32."""

    def contour(self, amounts: NDArray[np.float32]) -> Contour:
        """The opening.

        Args:
            amounts: (K,) float32, of every muscle.
        """
        upper = self.upper + np.tensordot(amounts, self.upper_moves, 1)
        lower = self.lower + np.tensordot(amounts, self.lower_moves, 1)
        return Contour(_SPLINE @ upper, _SPLINE @ lower)


def rims(anatomy: Anatomy, upper_moves: NDArray[np.float32], lower_moves: NDArray[np.float32]) -> Lips:
    """Lips from moves of all marks, in pixels of the frame, as muscles.moves gives them."""
    local = anatomy.local(anatomy.points) * anatomy.mouth
    turned = anatomy.axes.T
    up = [UPPER.all.index(index) for index in LIPS_INNER_UPPER]
    low = [LOWER.all.index(index) for index in LIPS_INNER_LOWER]
    return Lips(
        local[list(LIPS_INNER_UPPER)],
        local[list(LIPS_INNER_LOWER)],
        (upper_moves[:, up] @ turned).astype(np.float32),
        (lower_moves[:, low] @ turned).astype(np.float32),
    )
