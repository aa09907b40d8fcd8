"""Anchors, boxes, and which of them are one face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deployments.avatar.faces.detector import Detection, Detector, anchors, decode, distinct, overlap, weighted
from deployments.avatar.faces.region import Region


def detection(left: float, top: float, side: float, score: float) -> Detection:
    box = np.array([left, top, left + side, top + side])
    return Detection(box, np.tile(box[:2], (6, 1)), score)


DETECTIONS = st.lists(
    st.builds(detection, st.floats(0, 100), st.floats(0, 100), st.floats(1, 100), st.floats(0.1, 1)), max_size=12
)


def test_anchors_are_cell_centres_of_two_grids() -> None:
    centres = anchors()
    assert centres.shape == (896, 2)
    assert centres[0].tolist() == centres[1].tolist() == [1 / 32, 1 / 32] and centres[2].tolist() == [3 / 32, 1 / 32]
    assert centres[512].tolist() == centres[517].tolist() == [1 / 16, 1 / 16] and centres[-1].tolist() == [15 / 16] * 2


def test_offsets_are_pixels_from_the_anchor() -> None:
    offsets = np.zeros((1, 16), np.float32)
    offsets[0, :6] = (12.8, -12.8, 64, 32, 6.4, 0)
    boxes, points = decode(offsets, np.array([[0.5, 0.5]]))
    assert boxes[0] == pytest.approx([0.35, 0.275, 0.85, 0.525]) and points[0, 0] == pytest.approx([0.55, 0.5])
    assert points.shape == (1, 6, 2)


@pytest.mark.parametrize(
    ("other", "share"),
    [((0, 0, 10, 10), 1), ((5, 0, 15, 10), 1 / 3), ((20, 20, 30, 30), 0), ((0, 0, 0, 0), 0)],
    ids=["same", "half over", "apart", "empty"],
)
def test_overlap(other: tuple[float, ...], share: float) -> None:
    assert overlap(np.array([0.0, 0, 10, 10]), np.array(other, float)) == pytest.approx(share)


def test_two_empty_boxes_do_not_overlap() -> None:
    assert overlap(np.zeros(4), np.zeros(4)) == 0


def test_boxes_of_one_face_are_averaged_by_score() -> None:
    (face,) = weighted([detection(0, 0, 10, 0.75), detection(2, 0, 10, 0.25)])
    assert face.box == pytest.approx([0.5, 0, 10.5, 10]) and face.points[0] == pytest.approx([0.5, 0])
    assert face.score == 0.75


@given(DETECTIONS)
def test_what_is_kept_is_in_order_and_within_what_was_seen(faces: list[Detection]) -> None:
    for kept in (weighted(faces), distinct(faces)):
        scores = [face.score for face in kept]
        assert scores == sorted(scores, reverse=True) and len(kept) <= len(faces) and bool(kept) == bool(faces)
        assert all(face.box.min() >= 0 and face.box.max() <= 200 + 1e-9 for face in kept)
    one_each = distinct(faces)
    assert all(overlap(a.box, b.box) <= 0.3 for i, a in enumerate(one_each) for b in one_each[:i])


def test_a_face_is_found_where_it_is(astronaut: NDArray[np.uint8]) -> None:
    (face,) = Detector().find(astronaut, Region(256, 256, 512), 0.5)
    assert face.box == pytest.approx([178, 83, 273, 178], abs=4) and face.score > 0.85
    right_eye, left_eye = face.points[:2]
    assert right_eye == pytest.approx([203, 101], abs=6) and left_eye == pytest.approx([247, 103], abs=8)
    region = face.region()
    assert region.side == pytest.approx(1.5 * 95, abs=6) and abs(region.angle) < 0.2
