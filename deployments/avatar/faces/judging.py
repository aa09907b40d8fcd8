"""Whether a face that was found can be made to talk."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from deployments.avatar import landmarks
from deployments.core.errors import NoFace

MIN_WIDTH = 64
"""Pixels from ear to ear: the mouth is then 20 wide, its lips 4 high, and what opens between them can still be seen."""
MAX_YAW = 45
"""Degrees to a side: the far corner of the mouth is still seen, and with it both halves of the lips."""
MAX_ROLL = 45
"""Degrees to a side: from there on a quarter turn brings the head nearer to upright."""
_SLACK = 0.02
"""Of the height of the face: landmarks at a border are so far off."""
_PARTS = {
    "brows": (*landmarks.RIGHT_BROW, *landmarks.LEFT_BROW),
    "mouth": landmarks.LIPS_OUTER,
    "chin": (landmarks.CHIN, 148, 377),
}
"""What every engine moves, or needs to know where the face ends."""


def box_of(points: NDArray[np.floating]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of (478, 3) landmarks: brows to chin, ear to ear."""
    oval = points[list(landmarks.OVAL), :2]
    top = points[list(_PARTS["brows"]), 1].min()
    return float(oval[:, 0].min()), float(min(top, oval[:, 1].max())), float(oval[:, 0].max()), float(oval[:, 1].max())


def width_of(points: NDArray[np.floating]) -> float:
    """From ear to ear in space, so that a turned head is as large as a frontal one; in the unit of the landmarks."""
    right, left = points[list(landmarks.CHEEKS)]
    return float(np.linalg.norm(left - right))


def yaw_of(points: NDArray[np.floating]) -> float:
    """Degrees that a head is turned to the side, 0 for a frontal one; above 0 the nose points to the picture's left.

    Of (478, 3) landmarks with depth: how far one ear is behind the other.
    """
    right, left = points[list(landmarks.CHEEKS)].astype(np.float64)
    return math.degrees(math.atan2(right[2] - left[2], math.hypot(*(left - right)[:2])))


def roll_of(points: NDArray[np.floating]) -> float:
    """Degrees that a head is turned in the plane of the picture, clockwise as it is seen, -180 to 180.

    Of (478, 2 or 3) landmarks.
    """
    along = points[landmarks.LEFT_EYE_CORNERS[0]] - points[landmarks.RIGHT_EYE_CORNERS[0]]
    return math.degrees(math.atan2(along[1], along[0]))


def judge(points: NDArray[np.floating], width: int, height: int) -> NoFace | None:
    """What is wrong with a face that a model has found, or nothing.

    Args:
        points: (478, 3), pixels of the picture.
        width: of the picture, pixels.
        height: of the picture, pixels.
    """
    return judge_size(points) or _judge_roll(points) or _judge_yaw(points) or _judge_border(points, width, height)


def judge_size(points: NDArray[np.floating]) -> NoFace | None:
    """What is wrong with its size, or nothing; (478, 3), pixels of the picture."""
    found = width_of(points)
    if found >= MIN_WIDTH:
        return None
    return NoFace(
        f"image: the face is too small: {math.floor(found)} pixels from ear to ear, {MIN_WIDTH} are needed.",
        hint="Send a larger picture, or one that is taken from nearer.",
    )


def not_upright(roll: float) -> NoFace:
    """The error of a picture that lies on its side or stands on its head; degrees as of `roll_of`."""
    clockwise = round(-roll / 90) * 90 % 360
    return NoFace("image: the face does not stand upright.", hint=f"Turn the picture by {clockwise} degrees clockwise.")


def _judge_roll(points: NDArray[np.floating]) -> NoFace | None:
    roll = roll_of(points)
    return not_upright(roll) if abs(roll) > MAX_ROLL else None


def _judge_yaw(points: NDArray[np.floating]) -> NoFace | None:
    yaw = abs(yaw_of(points))
    if yaw <= MAX_YAW:
        return None
    return NoFace(
        f"image: the head is turned {yaw:.0f} degrees to the side, at most {MAX_YAW} can be animated.",
        hint="Send a picture in which the person looks towards the camera.",
    )


def _judge_border(points: NDArray[np.floating], width: int, height: int) -> NoFace | None:
    _, top, _, bottom = box_of(points)
    slack = _SLACK * (bottom - top)
    for part, indices in _PARTS.items():
        low, high = points[list(indices), :2].min(axis=0), points[list(indices), :2].max(axis=0)
        beyond = {"left": -low[0], "top": -low[1], "right": high[0] - width, "bottom": high[1] - height}
        side, most = max(beyond.items(), key=lambda item: float(item[1]))
        if most > slack:
            return NoFace(
                f"image: the {side} border cuts the face: its {part} {'are' if part == 'brows' else 'is'} outside.",
                hint="Send a picture that shows the whole face with some space around it.",
            )
    return None
