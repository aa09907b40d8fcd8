"""Cuts a recording at its pauses: pieces are the unit in which it is read, cached and cancelled, as sentences of a text
are. What is known of the sound is its level alone, so that half an hour need not be in memory to be cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VERSION = "1"
"""Another whenever the same recording would be cut in another way."""
WINDOW_S = 0.01
"""Seconds of one level."""
MAX_S = 30.0
"""Of a piece: bounds the memory and the time of one call."""

_MIN, _SOON, _MAX = round(10 / WINDOW_S), round(25 / WINDOW_S), round(MAX_S / WINDOW_S)
"""Windows. A cut is sought between the first two: what is left of less than the third is one piece, and so none is
shorter than 5 s."""
_AROUND = 15
"""Windows on each side that should be quiet too: the closure of a stop lasts 100 ms at most, a pause longer."""


@dataclass(frozen=True)
class Piece:
    """A part of a recording, in windows of WINDOW_S."""

    start: int
    end: int
    """Behind its last window."""


def split(levels: NDArray[np.float32], start: int = 0) -> tuple[Piece, ...]:
    """Pieces without gaps from `start` to the end, in order, at most MAX_S long.

    Args:
        levels: (N,) float32, not negative: the power of each window, whatever its unit. The last one may be shorter.
        start: window at which the first piece begins.
    """
    quiet = _smoothed(levels)
    pieces: list[Piece] = []
    while len(levels) - start > _MAX:
        end = _quietest(levels, quiet, start + _MIN, start + _SOON)
        pieces.append(Piece(start, end))
        start = end
    if start < len(levels):
        pieces.append(Piece(start, len(levels)))
    return tuple(pieces)


def _smoothed(levels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean over the window and those around it; (N,) float64."""
    sums = np.concatenate(([0.0], np.cumsum(levels, dtype=np.float64)))
    places = np.arange(len(levels))
    first, last = np.maximum(places - _AROUND, 0), np.minimum(places + _AROUND + 1, len(levels))
    means: NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means


def _quietest(levels: NDArray[np.float32], quiet: NDArray[np.float64], first: int, last: int) -> int:
    """The quietest window of the quietest surroundings; of equal ones the last, for the fewest pieces."""
    place = last - 1 - int(np.argmin(quiet[first:last][::-1]))
    near, end = max(first, place - _AROUND), min(last, place + _AROUND + 1)
    return end - 1 - int(np.argmin(levels[near:end][::-1]))
