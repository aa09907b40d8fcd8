"""Frames as the face model sees them: it knows nothing of the engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from deployments.avatar.contract import Part, Portrait
from deployments.avatar.engines.warp.engine import Engine
from deployments.avatar.engines.warp.state import State
from deployments.avatar.faces.finder import FaceFinder
from deployments.avatar.landmarks import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    MOUTH_CORNERS,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from deployments.core.types import Animation, EyeEvent
from tests.deployments.avatar.portraits import NAMES, said

Seen = Callable[[str, Animation, float], NDArray[np.float32]]


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture
def seen(engine: Engine, prepared: Callable[..., State], finder: FaceFinder) -> Seen:
    """Portrait, timeline, second -> (478, 2) landmarks found in that frame."""

    def look(name: str, animation: Animation, second: float) -> NDArray[np.float32]:
        state = prepared(name)
        frame = int(second * state.fps)
        rgb = engine.render([Part(state, engine.example, animation, range(frame, frame + 1))])[0][0]
        opaque = np.full((*rgb.shape[:2], 1), 255, np.uint8)
        return finder.find(Portrait(np.concatenate((rgb, opaque), axis=-1))).face.landmarks[:, :2]

    return look


def width(points: NDArray[np.float32]) -> float:
    """Of the mouth, pixels."""
    return float(np.hypot(*np.diff(points[list(MOUTH_CORNERS)], axis=0)[0]))


def gap(points: NDArray[np.float32]) -> float:
    """Between the lips, in widths of the mouth."""
    apart = points[LIPS_INNER_LOWER[5]] - points[LIPS_INNER_UPPER[5]]
    return float(np.hypot(*apart)) / width(points)


def opening(points: NDArray[np.float32]) -> float:
    """Of both eyes, pixels."""
    rows = ((RIGHT_EYE_UPPER, RIGHT_EYE_LOWER), (LEFT_EYE_UPPER, LEFT_EYE_LOWER))
    return float(sum(np.hypot(*(points[lower[4]] - points[upper[4]])) for upper, lower in rows))


@pytest.mark.parametrize("name", NAMES)
def test_p_b_m_are_seen_shut_and_vowels_open(name: str, seen: Seen) -> None:
    animation = said([("AA", 0.3, 1), ("PP", 0.06, 1), ("AA", 0.5, 1)])
    assert gap(seen(name, animation, 0.33)) < 0.02
    assert gap(seen(name, animation, 0.14)) > 0.25 and gap(seen(name, animation, 0.6)) > 0.25
    assert gap(seen(name, said([("sil", 1, 1)]), 0.5)) < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_oo_is_seen_narrow_and_ee_wide(name: str, seen: Seen) -> None:
    oo, rest, ee = (width(seen(name, said([(each, 1, 1)]), 0.5)) for each in ("U", "sil", "I"))
    assert oo < 0.85 * rest and ee > 1.03 * rest


@pytest.mark.parametrize("name", NAMES)
def test_a_blink_is_seen_shut(name: str, seen: Seen) -> None:
    animation = said([("sil", 1, 1)], [EyeEvent("blink", 0.4, 0.15)])
    before, shut, after = (opening(seen(name, animation, second)) for second in (0.3, 0.47, 0.7))
    assert shut < 0.4 * before and after == pytest.approx(before, rel=0.15)
