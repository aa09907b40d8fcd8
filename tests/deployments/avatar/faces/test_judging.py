"""Which faces can be made to talk."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.avatar.faces import judging
from deployments.avatar.faces.fitting import template
from deployments.core.errors import NoFace


def face(width: float = 200, yaw: float = 0, roll: float = 0, x: float = 250, y: float = 250) -> NDArray[np.float64]:
    """The mean face, turned: yaw to the picture's left, roll clockwise; degrees, pixels."""
    points = template() * width / np.ptp(template()[:, 0])
    turn, tilt = math.radians(yaw), math.radians(roll)
    around_y = np.array([[math.cos(turn), 0, math.sin(turn)], [0, 1, 0], [-math.sin(turn), 0, math.cos(turn)]])
    around_z = np.array([[math.cos(tilt), -math.sin(tilt), 0], [math.sin(tilt), math.cos(tilt), 0], [0, 0, 1]])
    turned: NDArray[np.float64] = points @ around_y.T @ around_z.T + (x, y, 0)
    return turned


@pytest.mark.parametrize("yaw", [-80, -30, 0, 10, 60])
def test_yaw_is_what_the_head_was_turned_by(yaw: float) -> None:
    assert judging.yaw_of(face(yaw=yaw)) == pytest.approx(yaw, abs=1e-6)


@pytest.mark.parametrize("roll", [-170, -45, 0, 20, 90])
def test_roll_is_what_the_head_was_turned_by(roll: float) -> None:
    assert judging.roll_of(face(roll=roll)) == pytest.approx(roll, abs=0.5)


def test_a_turned_head_is_as_wide_as_a_frontal_one() -> None:
    assert judging.width_of(face(yaw=40)) == pytest.approx(judging.width_of(face()), rel=1e-6)


def test_box_goes_from_brows_to_chin_and_from_ear_to_ear() -> None:
    points = face()
    left, top, right, bottom = judging.box_of(points)
    assert (left, right, bottom) == (points[:, 0].min(), points[:, 0].max(), points[152, 1])
    assert points[10, 1] < top == points[[70, 63, 105, 66, 107, 336, 296, 334, 293, 300], 1].min()


@pytest.mark.parametrize(
    "points",
    [face(), face(yaw=44), face(yaw=-44), face(roll=40), face(width=66), face(x=99), face(y=400)],
    ids=["frontal", "left", "right", "tilted", "small", "at the border", "hair outside"],
)
def test_good_ones(points: NDArray[np.float64]) -> None:
    assert judging.judge(points, 500, 530) is None


@pytest.mark.parametrize(
    ("points", "message", "hint"),
    [
        (face(width=60), "too small: 59 pixels from ear to ear, 64 are needed", "larger picture"),
        (face(yaw=60), "turned 60 degrees to the side, at most 45", "towards the camera"),
        (face(yaw=-80), "turned 80 degrees to the side, at most 45", "towards the camera"),
        (face(roll=90), "does not stand upright", "by 270 degrees clockwise"),
        (face(roll=-90), "does not stand upright", "by 90 degrees clockwise"),
        (face(roll=180), "does not stand upright", "by 180 degrees clockwise"),
        (face(x=30), "the left border cuts the face: its brows are outside", "whole face"),
        (face(x=480), "the right border cuts the face: its brows are outside", "whole face"),
        (face(y=20), "the top border cuts the face: its brows are outside", "whole face"),
        (face(y=420), "the bottom border cuts the face: its chin is outside", "whole face"),
        (face(y=460), "the bottom border cuts the face: its mouth is outside", "whole face"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_ones(points: NDArray[np.float64], message: str, hint: str) -> None:
    problem = judging.judge(points, 500, 500)
    assert isinstance(problem, NoFace) and problem.status == 422
    assert str(problem).startswith("image: ") and message in str(problem) and hint in (problem.hint or "")
