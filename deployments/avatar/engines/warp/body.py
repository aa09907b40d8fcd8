"""How a whole head moves in the frame: stiffly down to the chin, less along the neck, and not at all beyond."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.avatar.landmarks import CHIN, FOREHEAD, OVAL

from .anatomy import Anatomy, smooth_step
from .fields import Field, Grid


@dataclass(frozen=True, eq=False)
class Body:
    """Where head and chest are, on a grid over the frame."""

    grid: Grid
    head: NDArray[np.float32]
    """(rows, columns) float32 0-1: how far a place goes with the head."""
    chest: NDArray[np.float32]
    """(rows, columns) float32, pixels that a place rises with a full breath."""
    pivot: tuple[float, float]
    """Pixels: where the head turns about."""
    unit: float
    """Pixels: the distance of the eyes."""

    def back(self, nodes: Field, roll: float, aside: float, down: float, breath: float) -> Field:
        """(rows, columns, 2) float32: where in the still picture each node of a frame comes from.

        Args:
            nodes: the grid's.
            roll: radians clockwise.
            aside: eye distances to the right.
            down: eye distances.
            breath: 0-1.
        """
        x = nodes[..., 0] - np.float32(self.pivot[0] + aside * self.unit)
        y = nodes[..., 1] - np.float32(self.pivot[1] + down * self.unit)
        cos, sin = np.float32(np.cos(roll)), np.float32(np.sin(roll))
        moved = np.empty_like(nodes)
        moved[..., 0] = cos * x + sin * y + np.float32(self.pivot[0]) - nodes[..., 0]
        moved[..., 1] = cos * y - sin * x + np.float32(self.pivot[1]) - nodes[..., 1]
        moved *= self.head[..., None]
        moved[..., 1] += self.chest * np.float32(breath)
        moved += nodes
        return moved


def locate(anatomy: Anatomy, grid: Grid, free: bool) -> Body:
    """Head and chest of a face.

    Args:
        anatomy: the face.
        grid: over the whole frame.
        free: nothing but the background is beside the head: it need not be held still.
    """
    oval = anatomy.points[list(OVAL)]
    (left, top), (right, bottom) = oval.min(0), oval.max(0)
    height, width = float(bottom - top), float(right - left)
    nodes = grid.nodes
    middle = (anatomy.points[FOREHEAD] + anatomy.points[CHIN]) / 2
    chin = float(anatomy.points[CHIN, 1])
    neck = 1 - smooth_step(chin + 0.02 * height, chin + 0.55 * height, nodes[..., 1])
    chest = smooth_step(chin + 0.1 * height, chin + 0.6 * height, nodes[..., 1]) * (0.008 * height)
    if not free:
        x = (nodes[..., 0] - middle[0]) / (0.5 * width)
        y = (nodes[..., 1] - (middle[1] - 0.12 * height)) / (0.5 * height)
        away = np.hypot(x, y / np.where(y < 0, 1.12, 1.3)).astype(np.float32)
        neck = neck * (1 - smooth_step(1.3, 1.95, away))
        chest = chest * (1 - smooth_step(1.1, 2.4, np.abs(x)))
    pivot = (float(middle[0]), chin + 0.3 * height)
    return Body(grid, neck.astype(np.float32), chest.astype(np.float32), pivot, anatomy.eyes)
