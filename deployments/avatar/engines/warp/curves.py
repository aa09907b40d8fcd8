"""Smooth lines through landmarks, as heights over columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLES = 8
"""Between two points."""


def spline(count: int) -> NDArray[np.float32]:
    """((count - 1) * SAMPLES + 1, count) float32: a matrix that puts a Catmull-Rom curve through `count` points."""
    weights = []
    for step in np.linspace(0, count - 1, (count - 1) * SAMPLES + 1):
        first = min(int(step), count - 2)
        t = step - first
        row = np.zeros(count)
        cubic = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
        for offset, weight in zip(range(-1, 3), cubic, strict=True):
            row[min(max(first + offset, 0), count - 1)] += weight / 2
        weights.append(row)
    return np.array(weights, np.float32)


def heights(points: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """(C,) float32: y of a line at columns; beyond its ends as there.

    Args:
        points: (N, 2) float32, mostly from left to right: what runs back is straightened.
        columns: (C,) float32.
    """
    x = np.maximum.accumulate(points[:, 0])
    return np.interp(columns, x, points[:, 1]).astype(np.float32)


def coverage(rows: NDArray[np.float32], top: NDArray[np.float32], bottom: NDArray[np.float32]) -> NDArray[np.float32]:
    """(R, C) float32 in 0-1: how much of each pixel lies between two lines.

    Args:
        rows: (R,) float32, y of the middles of pixels.
        top: (C,) float32, y.
        bottom: (C,) float32, y.
    """
    y = rows[:, None]
    found: NDArray[np.float32] = np.clip(np.minimum(y + 0.5, bottom) - np.maximum(y - 0.5, top), 0, 1)
    return found
