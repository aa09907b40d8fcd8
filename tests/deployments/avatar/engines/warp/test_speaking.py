"""The mouth in time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.avatar.engines.warp.shapes import OPENING, SHAPE, SHAPES
from deployments.avatar.engines.warp.speaking import mouth, targets
from deployments.core.types import VisemeTrack
from deployments.core.visemes import INDEX, VISEMES
from tests.deployments.avatar.portraits import said

_SHAPES = st.lists(
    st.tuples(
        st.sampled_from([viseme.name for viseme in VISEMES]),
        st.sampled_from([0.0, 0.012, 0.04, 0.07, 0.1, 0.3]),
        st.floats(0, 1, width=32),
    ),
    max_size=12,
)
_CONTACTS = {"PP", "FF"}


def sampled(track: VisemeTrack, rate: float, strength: float = 1.0) -> NDArray[np.float32]:
    times = np.arange(0, track.duration_s + 0.3, 1 / rate)
    return mouth(track, times, 1 / rate, strength)


@given(_SHAPES, st.sampled_from([0.5, 1.0, 1.5]))
def test_any_speech_moves_the_mouth_within_its_shapes(shapes: list[tuple[str, float, float]], strength: float) -> None:
    amounts = sampled(said(shapes).visemes, 25, strength)
    assert np.isfinite(amounts).all()
    limit = SHAPES.max(0) * np.where(OPENING, max(strength, 1), 1)
    assert (amounts >= -1e-4).all() and (amounts <= limit + 1e-4).all()


@given(_SHAPES)
def test_nothing_jumps(shapes: list[tuple[str, float, float]]) -> None:
    """In 5 ms no articulator goes farther than a Gaussian of 30 ms can, three times as far where shapes fight."""
    free = [shape for shape in shapes if shape[0] not in _CONTACTS]
    steps = np.abs(np.diff(sampled(said(free).visemes, 200), axis=0))
    assert steps.max(initial=0) < 3 * 0.005 / (0.03 * np.sqrt(2 * np.pi))


@given(_SHAPES)
def test_contacts_are_quick_and_yet_no_jump(shapes: list[tuple[str, float, float]]) -> None:
    apart = [each for shape in shapes for each in (shape, ("AX", 0.3, 0.5))]
    steps = np.abs(np.diff(sampled(said(apart).visemes, 400), axis=0))
    assert steps.max(initial=0) < 0.15  # of a smooth step of 55 ms in 2.5 ms, and the rest as above


@given(_SHAPES, st.integers(0, 20), st.integers(1, 20))
def test_frames_do_not_depend_on_their_company(shapes: list[tuple[str, float, float]], first: int, count: int) -> None:
    track = said(shapes).visemes
    times = (np.arange(45) + 0.5) / 25
    whole = mouth(track, times, 0.04, 1.0)
    part = mouth(track, times[first : first + count], 0.04, 1.0)
    assert np.abs(part - whole[first : first + count]).max() < 1e-5


@pytest.mark.parametrize("viseme", ["PP", "FF"])
@pytest.mark.parametrize("fps", [24, 25, 30, 60])
@pytest.mark.parametrize("offset", [0.0, 0.007, 0.013, 0.021, 0.034])
def test_a_contact_is_complete_in_the_frame_nearest_to_it(viseme: str, fps: int, offset: float) -> None:
    track = said([("AA", 0.3 + offset, 1), (viseme, 0.04, 0.2), ("O", 0.3, 1)]).visemes
    frame = round((0.32 + offset) * fps - 0.5)
    shown = mouth(track, (np.array([frame]) + 0.5) / fps, 1 / fps, 1.5)[0]
    wanted = SHAPES[INDEX[viseme]]
    assert np.abs(shown[OPENING] - wanted[OPENING]).max() < 0.02
    assert (shown >= wanted - 0.02).all()


def test_a_closure_keeps_the_rounding_of_its_neighbours() -> None:
    track = said([("U", 0.3, 1), ("PP", 0.06, 1), ("U", 0.3, 1)]).visemes
    assert mouth(track, np.array([0.33]), 0.04, 1.0)[0, SHAPE.index("round")] > 0.5


def test_tongue_consonants_leave_the_lips_to_the_vowels() -> None:
    lips = [SHAPE.index("round"), SHAPE.index("wide")]
    between = [
        mouth(said([(vowel, 0.2, 1), ("N", 0.06, 1), (vowel, 0.2, 1)]).visemes, np.array([0.23]), 0.04, 1.0)[0, lips]
        for vowel in ("U", "I")
    ]
    assert between[0][0] > 0.6 and between[0][1] < 0.2
    assert between[1][1] > 0.5 and between[1][0] < 0.1


def test_the_weight_scales_the_opening_and_half_of_the_rest() -> None:
    u = np.array([INDEX["O"]])
    full, none = (targets(u, np.array([weight]), 1.0)[0] for weight in (1.0, 0.0))
    assert (none[OPENING] == 0).all()
    assert none[SHAPE.index("round")] == pytest.approx(full[SHAPE.index("round")] / 2)
