"""Displacement fields on a coarse grid: solved once from moved points, added up and inverted in every frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from .anatomy import Points
from .sampling import sample

Field = NDArray[np.float32]
"""(rows, columns, 2) float32, pixels to the right and down."""


@dataclass(frozen=True)
class Grid:
    """A box of pixels in square cells; what is known of a cell is known at its middle."""

    left: int
    """Pixels."""
    top: int
    """Pixels."""
    columns: int
    rows: int
    cell: int
    """Pixels."""

    @property
    def width(self) -> int:
        """Pixels."""
        return self.columns * self.cell

    @property
    def height(self) -> int:
        """Pixels."""
        return self.rows * self.cell

    @cached_property
    def nodes(self) -> Field:
        """Where the middles of the cells are."""
        return _mesh(self.left, self.top, self.columns, self.rows, self.cell)

    @cached_property
    def cells(self) -> Field:
        """(rows, columns, 2) float32: column and row of each cell."""
        return np.dstack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in (self.columns, self.rows))))

    def at(self, field: NDArray[np.float32], places: Field) -> NDArray[np.float32]:
        """What stands on this grid, at places in pixels; 0 beyond the grid."""
        cells = places - np.array((self.left - 0.5, self.top - 0.5), np.float32)
        cells *= np.float32(1 / self.cell)
        cells -= np.float32(0.5)
        return sample(field, cells, zero=True)

    def fine(self, field: NDArray[np.float32]) -> NDArray[np.float32]:
        """(height, width, ...) float32: between the middles by straight lines."""
        size = (self.width, self.height)
        return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _mesh(left: int, top: int, columns: int, rows: int, cell: int) -> Field:
    x = left + (np.arange(columns, dtype=np.float32) + 0.5) * cell - 0.5
    y = top + (np.arange(rows, dtype=np.float32) + 0.5) * cell - 0.5
    return np.stack(np.meshgrid(x, y), axis=-1).astype(np.float32)


def solve(grid: Grid, points: Points, moves: NDArray[np.float32], soft: float) -> NDArray[np.float32]:
    """Smooth fields that move points as they should, and nothing at the border of the grid.

    Multiquadrics and a constant (Hardy, 1971): linear in the moves, exact at the points, and without the dents that
    a kernel leaves that is sharp at its points.

    Args:
        grid: where the fields are wanted.
        points: (N, 2), no two the same.
        moves: (K, N, 2) float32, pixels: of K fields.
        soft: pixels: how wide the kernel is round.

    Returns:
        (K, rows, columns, 2) float32, pixels.
    """
    count = len(points)
    system = np.zeros((count + 1, count + 1))
    system[:count, :count] = _kernel(points, points, soft)
    system[:count, count] = system[count, :count] = 1
    system[:count, :count] -= np.eye(count) * soft * 1e-3  # landmarks that nearly coincide may disagree
    wanted = np.zeros((count + 1, len(moves) * 2))
    wanted[:count] = moves.transpose(1, 0, 2).reshape(count, -1)
    weights = np.linalg.solve(system, wanted).astype(np.float32)
    nodes = grid.nodes.reshape(-1, 2)
    values = _kernel(nodes, points, soft) @ weights[:count] + weights[count]
    shaped = values.reshape(grid.rows, grid.columns, len(moves), 2).transpose(2, 0, 1, 3)
    return np.ascontiguousarray(shaped * fade(grid), np.float32)


def _kernel(left: Points, right: Points, soft: float) -> NDArray[np.float32]:
    squares = (left[:, None, 0] - right[None, :, 0]) ** 2 + (left[:, None, 1] - right[None, :, 1]) ** 2
    found: NDArray[np.float32] = np.sqrt(squares + np.float32(soft * soft))
    return found


def fade(grid: Grid) -> NDArray[np.float32]:
    """(rows, columns, 1) float32: 1 inside, exactly 0 at the border, so that no seam shows."""
    sides = [np.minimum(np.arange(n), np.arange(n)[::-1]).astype(np.float32) for n in (grid.rows, grid.columns)]
    down, along = (np.clip(side / (0.1 * len(side)), 0, 1) for side in sides)
    share = np.minimum(down[:, None], along[None, :])[..., None]
    found: NDArray[np.float32] = (share * share * (3 - 2 * share)).astype(np.float32)
    return found


def inverse(grid: Grid, field: Field, rounds: int = 4) -> Field:
    """What leads back: x + inverse(x) is the place that `field` moves to x.

    A fixed point, which four rounds bring within a twentieth of a pixel for the steepest mouths.
    """
    back = -field
    cells = grid.cells
    for _ in range(rounds - 1):
        there = back * np.float32(1 / grid.cell)
        there += cells
        back = -sample(field, there)
    return back
