"""A face in the frame: where its landmarks are, and the axes and measures that everything else is drawn in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deployments.avatar import landmarks
from deployments.avatar.landmarks import LIPS_INNER_LOWER, LIPS_INNER_UPPER, LIPS_OUTER_UPPER

Points = NDArray[np.float32]
"""(N, 2) float32, pixels of the frame."""


class EyeLandmarks(NamedTuple):
    """Indices of one eye, from left to right in the picture."""

    upper: landmarks.Row
    lower: landmarks.Row
    iris: landmarks.Row
    """Its centre, then four points of its rim."""


EYES = (
    EyeLandmarks(
        landmarks.RIGHT_EYE_UPPER,
        landmarks.RIGHT_EYE_LOWER,
        (landmarks.RIGHT_IRIS_CENTRE, *landmarks.RIGHT_IRIS_RING),
    ),
    EyeLandmarks(
        landmarks.LEFT_EYE_UPPER, landmarks.LEFT_EYE_LOWER, (landmarks.LEFT_IRIS_CENTRE, *landmarks.LEFT_IRIS_RING)
    ),
)
BROWS = (*landmarks.RIGHT_BROW, *landmarks.LEFT_BROW)


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A face and its own axes."""

    points: Points
    """(478, 2)."""
    depth: NDArray[np.float32]
    """(478,) float32, pixels away from the viewer."""
    right: NDArray[np.float32]
    """(2,) float32: unit vector from eye to eye, to the right of the picture."""
    centre: NDArray[np.float32]
    """(2,) float32, pixels: the middle of the closed lips."""
    mouth: float
    """Pixels from corner to corner: the unit of everything about the mouth."""
    eyes: float
    """Pixels between the middles of the eyes."""

    @property
    def axes(self) -> NDArray[np.float32]:
        """(2, 2) float32: rows are the face's own right and down."""
        return np.stack((self.right, np.array((-self.right[1], self.right[0]), np.float32)))

    def local(self, points: Points) -> Points:
        """(N, 2) float32: in units of the mouth's width, from its middle, along the face's own axes."""
        found: Points = self.turned(points) / np.float32(self.mouth)
        return found

    def turned(self, places: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 2) float32: places in pixels along the face's own axes from the middle of the lips."""
        return np.asarray((places - self.centre) @ self.axes.T, np.float32)

    def pixels(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., 2) float32: displacements in mouth widths as pixels of the frame."""
        found: NDArray[np.float32] = (vectors @ self.axes * self.mouth).astype(np.float32)
        return found

    def moved(self, points: Points) -> Anatomy:
        """The same face with its landmarks elsewhere, such as with closed lips."""
        return replace(self, points=points, centre=_middle(points), mouth=_width(points))


def measure(face: NDArray[np.float32]) -> Anatomy:
    """Axes and measures of a face.

    Args:
        face: (478, 3) float32, pixels: its landmarks.
    """
    points = np.ascontiguousarray(face[:, :2], np.float32)
    left, right = (points[[*eye.upper, *eye.lower]].mean(0) for eye in EYES)
    across = right - left
    eyes = max(float(np.hypot(*across)), 1e-3)
    return Anatomy(
        points,
        np.ascontiguousarray(face[:, 2], np.float32),
        (across / eyes).astype(np.float32),
        _middle(points),
        _width(points),
        eyes,
    )


def _middle(points: Points) -> NDArray[np.float32]:
    found: NDArray[np.float32] = (points[LIPS_INNER_UPPER[5]] + points[LIPS_INNER_LOWER[5]]) / 2
    return found


def _width(points: Points) -> float:
    return max(float(np.hypot(*(points[LIPS_OUTER_UPPER[-1]] - points[LIPS_OUTER_UPPER[0]]))), 1e-3)


def smooth_step(low: float, high: float, value: NDArray[Any]) -> NDArray[np.float32]:
    """0 below `low`, 1 above `high`, between them the cubic without a kink."""
    share = np.clip((value - low) / (high - low), 0, 1)
    found: NDArray[np.float32] = (share * share * (3 - 2 * share)).astype(np.float32)
    return found
