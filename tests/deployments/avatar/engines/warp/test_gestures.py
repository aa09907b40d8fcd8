"""Head, eyes and brows in time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.avatar.engines.warp.gestures import Gestures, gestures, stresses
from deployments.core.types import Animation, EyeEvent
from tests.deployments.avatar.portraits import said

_PHRASE = [
    ("sil", 0.5, 1),
    ("AA", 0.2, 1),
    ("N", 0.1, 1),
    ("AO", 0.2, 0.9),
    ("S", 0.3, 1),
    ("AE", 0.2, 1),
    ("sil", 1, 1),
]
SPEECH = said(
    _PHRASE * 3,
    [EyeEvent("blink", 1.0, 0.15), EyeEvent("saccade", 2.0, 0.3, "down"), EyeEvent("saccade", 3.0, 0.3, "right")],
)


def at(animation: Animation, times: NDArray[np.float64], head: float = 1.0, blinks: bool = True) -> Gestures:
    return gestures(animation, times, 0.04, head, 1.0, blinks)


def test_all_is_a_function_of_time() -> None:
    times = (np.arange(150) + 0.5) / 25
    whole, part = at(SPEECH, times), at(SPEECH, times[70:80])
    for name in vars(whole):
        assert np.array_equal(getattr(whole, name)[70:80], getattr(part, name)), name


def test_other_words_move_the_head_otherwise() -> None:
    times = np.arange(0, 6, 0.2)
    other = said([("AA", 0.3, 1), ("S", 0.2, 1)] * 12)
    assert np.abs(at(SPEECH, times).yaw - at(other, times).yaw).max() > 0.01


def test_nothing_jerks() -> None:
    times = np.arange(0, 7, 0.01)
    life = at(SPEECH, times)
    for name in ("pitch", "roll", "aside", "down", "brow", "breath"):
        curve = getattr(life, name)
        assert np.abs(np.diff(curve, n=2)).max() < 0.01 * np.ptp(curve), name


@pytest.mark.parametrize("phase", [0.0, 0.01, 0.02, 0.03])
def test_a_blink_shuts_in_some_frame_and_opens_again(phase: float) -> None:
    times = np.arange(0.8 + phase, 1.4, 0.04)
    shut = at(SPEECH, times).shut
    assert shut.max() > 0.999 and shut[0] == 0 and shut[-1] == 0
    assert ((shut > 0.01) & (shut < 0.99)).any()  # on its way
    assert at(SPEECH, times, blinks=False).shut.max() == 0


def test_glances_go_where_they_should() -> None:
    life = at(SPEECH, np.array([1.9, 2.15, 2.4, 3.15]))
    assert life.gaze_x.tolist() == [0, 0, 0, 1] and life.gaze_y.tolist() == [0, 1, 0, 0]


def test_stress_lies_on_long_open_vowels_a_foot_apart() -> None:
    found = stresses(SPEECH.visemes)
    assert len(found) == 6 and np.diff(found).min() >= 0.55
    assert found[0] == pytest.approx(0.6)
    assert len(stresses(said([("S", 1, 1), ("I", 1, 1), ("sil", 1, 1)]).visemes)) == 0


def test_a_head_that_is_to_be_still_is() -> None:
    life = at(SPEECH, np.arange(0, 3, 0.1), head=0.0)
    assert all(np.abs(curve).max() == 0 for curve in (life.yaw, life.pitch, life.roll, life.aside, life.down))
    assert np.ptp(life.breath) > 0.5
